#!/bin/sh
# Makes a virtual environment with the first Python that is new enough, or says what is missing and how to get it.
#   venv.sh FOLDER        (PYTHON: the interpreter to try first)
set -eu

new_enough() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
how() { # how DEBIAN_PACKAGE BREW_PACKAGE
    if command -v apt-get >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ]; then echo "    apt-get update && apt-get install -y $1"
        else echo "    sudo apt-get update && sudo apt-get install -y $1"; fi
    elif command -v brew >/dev/null 2>&1; then echo "    brew install $2"
    else echo "    see your system's documentation for Python 3.11 or newer with its venv module"; fi
}

for python in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11 none; do
    ! new_enough "$python" || break
done
if [ "$python" = none ]; then
    echo "restante needs Python 3.11 or newer; found: $(python3 --version 2>/dev/null || echo none). Get it with" >&2
    how python3-venv python@3.13 >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$("$python" --version) has no venv module (Debian and Ubuntu ship it apart). Get it with" >&2
    how "$(basename "$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')")-venv" python@3.13 >&2
    exit 1
fi
echo "Making $1 with $("$python" --version) ..."
rm -rf "$1"
exec "$python" -m venv "$1"
