#!/bin/bash
# world.sh NAME=IP ... -- COMMAND: machines of their own (network, processes, mounts, SSH server, home) on one bridge, and
# this shell as the laptop that runs COMMAND. All of it ends with the command. Needs root, openssh-server, iproute2, rsync:
#   unshare --net --pid --mount --uts --ipc --fork --mount-proc --kill-child tests/world/world.sh head=10.44.0.10 -- bash
# WORLD is a scratch folder (short: Ray's sockets lie below it), VENV the environment that all machines share.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
: "${WORLD:?a scratch folder}" "${VENV:?a virtual environment}"
export WORLD VENV
export PYTHON_HOME=$("$VENV/bin/python" -c 'import sys; print(sys.base_prefix)')
machines=(); while [ "$1" != "--" ]; do machines+=("$1"); shift; done; shift

mkdir -p "$WORLD/laptop/root/.ssh" "$WORLD/laptop/ray" "$WORLD/machines"
ssh-keygen -q -t ed25519 -N '' -f "$WORLD/laptop/root/.ssh/id_ed25519"
ssh-keygen -q -t ed25519 -N '' -f "$WORLD/host_key"
cp "$WORLD/laptop/root/.ssh/id_ed25519.pub" "$WORLD/authorized_keys"

mount --make-rprivate /
hostname laptop
{ echo "127.0.0.1 localhost"; echo "10.44.0.1 laptop"
  for machine in "${machines[@]}"; do echo "${machine##*=} ${machine%%=*}"; done; } > "$WORLD/hosts"
: > "$WORLD/no_nameserver"  # one that does not answer costs Ray's start a minute
mount --bind "$WORLD/hosts" /etc/hosts
mount --bind "$WORLD/no_nameserver" "$(readlink -f /etc/resolv.conf)"
ip link set lo up
ip link add bridge0 type bridge
ip addr add 10.44.0.1/24 dev bridge0
ip link set bridge0 up
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
for machine in "${machines[@]}"; do bash "$here/boot.sh" "${machine%%=*}" "${machine##*=}"; done

case "$PYTHON_HOME" in /root/*) mkdir -p "$WORLD/laptop$PYTHON_HOME"; mount --bind "$PYTHON_HOME" "$WORLD/laptop$PYTHON_HOME";; esac
mkdir -p /tmp/ray
mount --rbind "$WORLD/laptop/root" /root
mount --bind "$WORLD/laptop/ray" /tmp/ray
export HOME=/root PATH="$VENV/bin:$PATH" RAY_USAGE_STATS_ENABLED=0
unset RAY_ADDRESS RAY_AUTH_TOKEN_PATH RAY_AUTH_MODE
for machine in "${machines[@]}"; do
  for _ in $(seq 100); do (: < "/dev/tcp/${machine##*=}/22") 2> /dev/null && break; sleep 0.1; done
done
set +e
"$@"
