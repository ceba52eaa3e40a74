#!/bin/bash
# Runs a command in the root that tests/new-root.sh built, in its own mount namespace. Each
# DIRECTORY is mounted at its own path and keeps its content; /tmp and /run of the root are new and
# removed at the end.
#
#   tests/in-new-root.sh ROOT [DIRECTORY…] -- COMMAND…
set -euo pipefail

if [ "${IN_NEW_ROOT:-}" != 1 ]; then
    exec env IN_NEW_ROOT=1 unshare --mount "$0" "$@"
fi
root=$(realpath "$1")
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for new in tmp run mnt; do mount -t tmpfs tmpfs "$root/$new"; done
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
cd "$root"
pivot_root . mnt
umount --lazy /mnt
exec env --unset=IN_NEW_ROOT "$@"
