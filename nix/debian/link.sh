# The package itself, as a link to $package.
ln -s "$package" "$out"
