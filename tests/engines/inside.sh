#!/bin/sh
# inside.sh ROOT COMMAND...: carries out a command with a Debian root as its own, in a mount namespace that the caller
# made for it (unshare(1)). Processes, devices, control groups and the folders for temporary files are the machine's.
set -eu
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount --rbind /tmp tmp
mount --rbind /var/tmp var/tmp
# Where engines and containerd write in the root.
mkdir -p etc/docker
for folder in run opt etc/docker; do mount -t tmpfs tmpfs $folder; done
# Not chroot(2): a container runtime enters its containers with setns(2), which knows the namespace's root only.
pivot_root . mnt
cd /
export PATH=/usr/sbin:/usr/bin
umount --lazy /mnt
# Every run finds the root as it was made.
mount -o remount,bind,ro /
exec "$@"
