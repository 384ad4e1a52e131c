#!/usr/bin/env bash
# Create a virtual environment on the first Python that is new enough: $PYTHON, python3.11, python3.
# Usage: make_venv.sh FOLDER
set -eu

venv=$1
here=$(cd "$(dirname "$0")" && pwd)

new_enough() { # A pyenv shim can be on the path and still not run, so it is run.
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
for candidate in ${PYTHON:-} python3.11 python3; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "Plano needs Python 3.11 or newer; found: $found." >&2
    echo "Install it (Debian: apt-get install python3.11 python3.11-venv), or name one: make PYTHON=/path/to/python3" >&2
    exit 1
fi

# Debian ships Python without the part of venv that brings pip.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    echo "$python cannot create virtual environments yet: installing $package"
    if ! "$here/apt_install.sh" "$package"; then
        echo "Could not install it. Do so by hand, then try again: apt-get install $package" >&2
        exit 1
    fi
fi

echo "creating $venv with $("$python" --version) ($python)"
"$python" -m venv "$venv"
