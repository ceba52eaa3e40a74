#!/bin/bash
# Builds a root directory with the newest daemons and tools of Debian sid, for tests with
# COOPER_TEST_NEW=DIRECTORY: Docker 28 with its containerd store, podman, crane, oras, cosign, Nix
# 2.34 and Docker's compose. It takes about two gigabytes and does not change the system.
#
#   tests/new-root.sh DIRECTORY
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "error: this needs root and debootstrap" >&2
    exit 2
fi
root=$1
packages=(docker.io docker-cli docker-compose containerd podman catatonit skopeo umoci crane oras
    cosign nix-bin iproute2 util-linux)

# The mirror and the proxy of the system's apt.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -v security | head -n 1)
mirror=${DEBIAN_MIRROR:-${mirror:?run apt-get update first, or set DEBIAN_MIRROR}}
if ! [ -e "$root/etc/debian_version" ]; then
    mkdir -p "$root"
    debootstrap --variant=minbase --include=ca-certificates sid "$root" "$mirror" >&2
fi
# Certificates and settings for the mirror.
cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
for settings in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/*ca* /etc/apt/auth.conf; do
    if [ -e "$settings" ]; then cp "$settings" "$root/etc/apt/apt.conf.d/"; fi
done
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# Packages must not start services.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
# A mirror may be behind; its signature is checked in any case.
printf 'Acquire::Check-Valid-Until "false";\n' >"$root/etc/apt/apt.conf.d/lagging-mirror"
chroot "$root" apt-get -q update >&2
chroot "$root" apt-get -q install -y --no-install-recommends "${packages[@]}" >&2
chroot "$root" dockerd --version
