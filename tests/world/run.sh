#!/bin/bash
# run.sh SCRIPT NAME=IP ...: runs a scenario on the laptop of a world with these machines.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
script=$1; shift
export SOURCES=$(readlink -f "$here/../..") VENV=${VENV:-$(readlink -f "$here/../../.venv")}
export WORLD=$(mktemp -d /tmp/world-XXXX) PYTHONPATH=$SOURCES
trap 'rm -rf "$WORLD"' EXIT
unshare --net --pid --mount --uts --ipc --fork --mount-proc --kill-child "$here/world.sh" "$@" -- \
  "$VENV/bin/python" "$here/$script"
