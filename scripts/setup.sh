#!/bin/sh
# Make the environment that every `make` target uses. Usage: scripts/setup.sh [DIRECTORY]
#
# uv does it in seconds; where uv is missing it is installed into the new environment
# by pip; where even that fails, pip does all of it, with the same pinned hashes.
# PYTHON picks the interpreter (3.11 or newer).
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}
# Sites with a certificate authority of their own: trust what the system trusts.
export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1
# Somebody else's active environment is not where this goes.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME || true

say() { printf '%s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then echo "$candidate"; return; fi
    done
    die "needs Python 3.11 or newer, found $(python3 --version 2>&1 || true); name one with PYTHON=/path/to/python3"
}

# Debian splits the venv module: without python3-venv it has no pip to put into the
# environment. The pip of the system can install into one that has none of its own.
make_venv() {
    if "$python" -m venv "$venv" >/dev/null 2>&1; then
        pip() { "$venv/bin/python" -m pip "$@"; }
    elif "$python" -m pip --version >/dev/null 2>&1 &&
        "$python" -m venv --clear --without-pip "$venv"; then
        pip() { "$python" -m pip --python "$venv/bin/python" "$@"; }
    else
        rm -rf "$venv"
        die "$python can neither make an environment (ensurepip) nor install packages (pip). On Debian or Ubuntu: sudo apt-get install python3-venv"
    fi
}

with_uv() {
    "$1" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements/dev.txt &&
        "$1" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
}

with_pip() {
    pip install --quiet --require-hashes -r requirements/dev.txt &&
        pip install --quiet --no-deps --no-build-isolation --editable .
}

python=$(find_python)
[ ! -e "$venv" ] || [ -e "$venv/pyvenv.cfg" ] || die "$venv is there and is no environment: not touching it"
rm -rf "$venv"
if command -v uv >/dev/null 2>&1; then
    say "setup: $venv with uv and $("$python" --version)"
    if uv venv --quiet --python "$python" "$venv" && with_uv uv; then
        : >"$venv/.ready"
        exit 0
    fi
    say "setup: uv could not do it, going on with pip"
    rm -rf "$venv"
fi

make_venv
say "setup: $venv with pip and $("$python" --version)"
if pip install --quiet --require-hashes -r requirements/uv.txt && with_uv "$venv/bin/uv"; then
    :
else
    say "setup: uv could not be used, pip goes on alone (a minute or two)"
    with_pip || die "the packages could not be installed; pip's message stands above"
fi
: >"$venv/.ready"
