#!/usr/bin/env bash
# Have a redis-server for the tests that start one of their own. Never fails: without one those
# tests are skipped, and this says so where nobody can miss it.
set -eu

command -v redis-server >/dev/null && exit 0
echo "no redis-server here: trying to install Debian's package"
"$(dirname "$0")/apt_install.sh" redis-server && exit 0
cat >&2 <<'END'

!!! ------------------------------------------------------------------------------------------
!!! redis-server is missing and could not be installed: every test that needs one is SKIPPED.
!!! To run them, install it first (Debian: apt-get install redis-server).
!!! ------------------------------------------------------------------------------------------

END
