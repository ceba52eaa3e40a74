# Sourced. Copies $manifests to $work and writes an empty library and program at the usual places,
# and wherever a manifest names one, so that cargo accepts the manifests.
cp -R "$manifests" "$work"
chmod -R u+w "$work"
cmp -s "$lockFile" "$work/Cargo.lock" || cp "$lockFile" "$work/Cargo.lock"
find "$work" -name Cargo.toml | while read -r manifest; do
    dir=${manifest%/*}
    named=$(sed -n 's/^path = "\(.*[.]rs\)"$/\1/p' "$manifest")
    for source in src/lib.rs src/main.rs $named; do
        mkdir -p "$dir/$(dirname "$source")"
        printf '//! Stands in for the real source.\nfn main() {}\n' >"$dir/$source"
    done
    sed -i 's/fn main() {}//' "$dir/src/lib.rs"
done
