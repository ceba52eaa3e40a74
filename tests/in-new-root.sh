#!/bin/bash
# Runs a command in the root that tests/new-root.sh built, as its `/`, in a mount namespace of its
# own. Each FOLDER is there at its own path, and kept; the root's /tmp and /run are new and
# forgotten.
#
#   tests/in-new-root.sh ROOT [FOLDER…] -- COMMAND…
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
