# Sourced. Copies $manifests to $work and writes an empty library and program at the default paths
# and at the paths that a manifest names, so that cargo accepts the manifests.
cp -R "$manifests" "$work"
chmod -R u+w "$work"
cmp -s "$lockFile" "$work/Cargo.lock" || cp "$lockFile" "$work/Cargo.lock"
find "$work" -name Cargo.toml | while read -r manifest; do
    dir=${manifest%/*}
    named=$(sed -n 's/^path = "\(.*[.]rs\)"$/\1/p' "$manifest")
    for source in src/lib.rs src/main.rs $named; do
        mkdir -p "$dir/$(dirname "$source")"
        printf '//! Placeholder of the real source.\nfn main() {}\n' >"$dir/$source"
    done
    sed -i 's/fn main() {}//' "$dir/src/lib.rs"
done
