#!/bin/bash
# boot.sh NAME IP: switches a machine on; its pid is in $WORLD/machines/NAME.pid, and killing that is a power cut.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
name=$1 ip=$2
ip netns add "$name"
ip link add "v-$name" type veth peer name eth0 netns "$name"
ip link set "v-$name" master bridge0 up
ip -n "$name" addr add "$ip/24" dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" link set lo up
ip -n "$name" route add default via 10.44.0.1
ip netns exec "$name" unshare --pid --mount --uts --ipc --fork --mount-proc --kill-child bash "$here/machine.sh" "$name" \
  > /dev/null 2> "$WORLD/machines/$name.err" < /dev/null &
echo $! > "$WORLD/machines/$name.pid"
