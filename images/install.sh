#!/bin/sh
# Make the environment of an image: install.sh DIRECTORY REQUIREMENTS. Run in a build
# stage; leaves out what no pod ever reads.
set -eu
venv=$1
requirements=$2

python3 -m venv --without-pip "$venv"
/opt/pip/bin/pip --python "$venv/bin/python" install --quiet --no-cache-dir --no-compile \
    --disable-pip-version-check --require-hashes --only-binary :all: --requirement "$requirements"

cd "$venv"/lib/python3.*/site-packages
# A test runner that p4p asks for and its package tests alone use.
rm -rf nose2 nose2-*.dist-info ../../../bin/nose2
# Headers, the packages' own tests, and libca for other systems.
rm -rf epicscorelibs/include epicscorelibs/test pvxslibs/include pvxslibs/test
# p4p's gateway imports a helper of its tests; docs/howto/networks.md runs it from the image.
[ ! -d p4p ] || find p4p/test -mindepth 1 ! -name __init__.py ! -name utils.py -delete
rm -rf epics/clibs/darwin* epics/clibs/win* epics/clibs/linux32 epics/clibs/linuxarm
find numpy -type d -name tests -prune -exec rm -rf {} + 2>/dev/null || true
find . -name '*.a' -delete

# The asynchronous half of the Kubernetes client is 68 MB and not loaded: sources will do.
# The order of a set in a pyc follows the hash seed. -B: what this very process imports would
# be there already, bound to the time of its source.
PYTHONHASHSEED=0 "$venv/bin/python" -B -m compileall -q -x '/kubernetes/aio/' --invalidation-mode unchecked-hash .
