# The directory `share` of nixpkgs' package, as one link.
mkdir "$out"
ln -s "$package/usr/share" "$out/share"
