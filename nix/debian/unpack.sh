# Unpacks one package without its manuals; licences stay. `nix-support/depends` has the store paths
# of the package's dependencies, so that Nix registers them as references: Debian's files contain no
# store paths.
mkdir -p "$out/nix-support"
dpkg-deb --extract "$deb" "$out"
rm -rf "$out/usr/share/man" "$out/usr/share/info" "$out/usr/share/lintian"
if [ -d "$out/usr/share/doc" ]; then
    find "$out/usr/share/doc" ! -type d ! -name copyright -delete
    find "$out/usr/share/doc" -type d -empty -delete
fi
printf '%s\n' ${dependencies:-} >"$out/nix-support/depends"
