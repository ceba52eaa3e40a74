#!/bin/bash
# Runs a command in the root that tests/new-root.sh built, as its `/`. The caller brings a mount
# namespace (unshare --mount), which ends with the command; each FOLDER is there at its own path.
#
#   tests/in-new-root.sh ROOT [FOLDER…] -- COMMAND…
set -euo pipefail

root=$(realpath "$1")
shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/mnt"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
cd "$root"
pivot_root . mnt
umount --lazy /mnt
exec "$@"
