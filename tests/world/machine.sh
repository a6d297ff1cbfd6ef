#!/bin/bash
# machine.sh NAME: the first process of a machine; it ends as its SSH server. The machine's network is there already.
set -euo pipefail
name=$1
own=$WORLD/machines/$name
mkdir -p "$own/root/.ssh" "$own/ray" "$own/run/sshd"
mount --make-rprivate /
hostname "$name"
case "$PYTHON_HOME" in /root/*) mkdir -p "$own$PYTHON_HOME"; mount --bind "$PYTHON_HOME" "$own$PYTHON_HOME";; esac
mkdir -p /tmp/ray
mount --rbind "$own/root" /root
mount --bind "$own/ray" /tmp/ray
mount -t tmpfs -o size=256m tmpfs /dev/shm
mount --bind "$own/run" /run
ln -sfn "$VENV" /root/.a440  # what a launch file's set-up would install
chmod 700 /root /root/.ssh
chmod 755 /run/sshd
cp "$WORLD/authorized_keys" /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
{ echo "export PATH=$VENV/bin:\$PATH PYTHONPATH=$SOURCES RAY_USAGE_STATS_ENABLED=0"; echo "${MACHINE_PROFILE:-}"; } > /root/.profile
cp /root/.profile /root/.bashrc
cd /root
exec env -i PATH="$VENV/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root /usr/sbin/sshd -D -e -f /dev/null -p 22 \
  -h "$WORLD/host_key" -o UsePAM=no -o PermitRootLogin=prohibit-password -o StrictModes=no -o PidFile=none \
  -o MaxStartups=50 -o MaxSessions=50 -o UseDNS=no
