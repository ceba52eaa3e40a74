# Debian's static shell under the name that nixpkgs' has.
mkdir -p "$out/bin"
ln -s "$shell/bin/bash-static" "$out/bin/busybox"
