#!/usr/bin/env bash
# Install Debian packages where that can be done without asking anybody: as root, or by a sudo that
# wants no password. Exit 1, having changed nothing, where it cannot. Usage: apt_install.sh PACKAGE...
set -eu

command -v apt-get >/dev/null || exit 1
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || exit 1
    as_root=(sudo -n)
fi

install() {
    timeout 300 "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@" </dev/null >/dev/null 2>&1
}

# A fresh container has no package lists; fetch them only when the first try finds nothing.
install "$@" && exit 0
timeout 300 "${as_root[@]}" apt-get update --quiet </dev/null >/dev/null 2>&1 || exit 1
install "$@" || exit 1
