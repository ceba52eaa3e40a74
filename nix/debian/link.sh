# A link to $package as a package.
ln -s "$package" "$out"
