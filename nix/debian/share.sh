# nixpkgs' `share`, as one link.
mkdir "$out"
ln -s "$package/usr/share" "$out/share"
