# Unpacks one package, without the manuals that no image wants (licences stay).
# `nix-support/depends` holds the store paths of what the package depends on: that is
# how Nix learns of them, for Debian's own files name no store path.
mkdir -p "$out/nix-support"
dpkg-deb --extract "$deb" "$out"
rm -rf "$out/usr/share/man" "$out/usr/share/info" "$out/usr/share/lintian"
if [ -d "$out/usr/share/doc" ]; then
    find "$out/usr/share/doc" ! -type d ! -name copyright -delete
    find "$out/usr/share/doc" -type d -empty -delete
fi
printf '%s\n' ${dependencies:-} >"$out/nix-support/depends"
