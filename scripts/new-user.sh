#!/bin/sh
# What a new user does, on this machine: an empty environment, an empty home, a fresh
# clone, and the README's two commands. Usage: scripts/new-user.sh [REPOSITORY]
#
# Ends with 0 when both commands did. The clone is removed; KEEP=1 keeps it.
set -eu
repository=${1:-$(cd "$(dirname "$0")/.." && pwd)}
place=$(mktemp -d)
if [ -z "${KEEP:-}" ]; then trap 'rm -rf "$place"' EXIT; else echo "new-user: $place"; fi
mkdir "$place/home"

as_new_user() {
    env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$place/home" "$@"
}

as_new_user git clone --quiet "$repository" "$place/ioc-operator"
cd "$place/ioc-operator"
for command in demo test; do
    echo "new-user: make $command"
    begin=$(date +%s)
    as_new_user make "$command" </dev/null || { echo "new-user: make $command failed" >&2; exit 1; }
    echo "new-user: make $command took $(($(date +%s) - begin)) s"
done
left=$(git status --porcelain)
[ -z "$left" ] || { echo "new-user: the clone is not clean: $left" >&2; exit 1; }
