# Debian's static shell under the name of nixpkgs' shell.
mkdir -p "$out/bin"
ln -s "$shell/bin/bash-static" "$out/bin/busybox"
