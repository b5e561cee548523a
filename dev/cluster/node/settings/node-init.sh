#!/bin/sh
# The node's first process: makes its mounts inside namespaces of its own, then waits for ever.
# Arguments: the node's folder, its host name, the program that waits, and the control groups of version 1 to mount
# as folder=options (none of them: version 2).
set -eu
node=$1 name=$2 wait_for_ever=$3
shift 3
hostname "$name"

# The inherited control groups are the machine's; those mounted here begin at the node's own.
umount -R /sys/fs/cgroup
mount -t sysfs sysfs /sys
if [ $# -gt 0 ]; then
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for group; do
    mkdir "/sys/fs/cgroup/${group%%=*}"
    mount -t cgroup -o "${group#*=}" cgroup "/sys/fs/cgroup/${group%%=*}"
  done
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
  done
fi

# Volumes that the kubelet mounts must be seen by containers.
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/netns /run/containerd /run/mediaimport
for folder in lib/cni lib/kubelet log/pods log/containers; do
  mkdir -p "/var/$folder" "$node/var/$folder"
  mount --bind "$node/var/$folder" "/var/$folder"
done

ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
touch /run/mediaimport/mounted
exec "$wait_for_ever"
