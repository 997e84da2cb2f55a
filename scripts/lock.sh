#!/bin/sh
# Compile the hash-pinned requirements files, one per extra, from pyproject.toml.
# Usage: make lock [UPGRADE=1]. Needs uv on PATH.
#
# dev.txt has everything and is compiled first; the others take its versions, so no
# two images ever hold different versions of one package. Universal: one file serves
# Python 3.11 to 3.13.
set -eu
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS=1

compile() { # OUTPUT ARGUMENT...
    output=requirements/$1.txt
    shift
    uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command 'make lock' --output-file "$output" "$@"
    echo "lock: $output, $(grep -c '^[a-z0-9].*==' "$output") packages"
}

compile dev pyproject.toml --extra dev "$@"
compile runtime pyproject.toml --constraint requirements/dev.txt
for extra in operator plugins devices test docs; do
    compile "$extra" pyproject.toml --extra "$extra" --constraint requirements/dev.txt
done
for image in operator-image runtime-image; do
    compile "$image" "requirements/$image.in" --constraint requirements/dev.txt
done
for tool in uv audit; do
    compile "$tool" "requirements/$tool.in" --constraint requirements/dev.txt
done
# The same EPICS libraries as ours: a comparison of frameworks, not of versions.
compile peer requirements/peer.in --constraint requirements/dev.txt
