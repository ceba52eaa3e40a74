#!/bin/bash
# Builds a folder with the newest daemons and tools (Debian's sid), for tests with
# COOPER_TEST_NEW=FOLDER: Docker 28 and its containerd store, new podman, crane, oras, cosign,
# Nix 2.34 and Docker's compose. Some two gigabytes. Nothing of it touches the system.
#
#   tests/new-root.sh FOLDER
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "error: this needs root and debootstrap" >&2
    exit 2
fi
root=$1
packages=(docker.io docker-cli docker-compose containerd podman catatonit skopeo umoci crane oras
    cosign nix-bin iproute2 util-linux)

# The mirror and the proxy that the system's own apt uses.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -v security | head -n 1)
mirror=${DEBIAN_MIRROR:-${mirror:?run apt-get update first, or set DEBIAN_MIRROR}}
if ! [ -e "$root/etc/debian_version" ]; then
    mkdir -p "$root"
    debootstrap --variant=minbase --include=ca-certificates sid "$root" "$mirror" >&2
fi
# Certificates and settings by which the system reaches the mirror.
cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
for settings in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/*ca* /etc/apt/auth.conf; do
    if [ -e "$settings" ]; then cp "$settings" "$root/etc/apt/apt.conf.d/"; fi
done
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# No service may start by itself.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
# A mirror may lag behind, and its signature is checked all the same.
printf 'Acquire::Check-Valid-Until "false";\n' >"$root/etc/apt/apt.conf.d/lagging-mirror"
chroot "$root" apt-get -q update >&2
chroot "$root" apt-get -q install -y --no-install-recommends "${packages[@]}" >&2
chroot "$root" dockerd --version
