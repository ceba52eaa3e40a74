# Compiles a package's dependencies, and nothing of the package: its manifests are there,
# and empty sources in place of its own. Of value as long as manifests and lock stay.
. "$findRust"
. "$cargoSettings"

work=$NIX_BUILD_TOP/work
cp -R "$manifests" "$work"
chmod -R u+w "$work"
cd "$work"
cmp -s "$lockFile" Cargo.lock || cp "$lockFile" Cargo.lock

# A library and a program at the usual places, and wherever a manifest says.
find . -name Cargo.toml | while read -r manifest; do
    dir=${manifest%/*}
    named=$(sed -n 's/^path = "\(.*[.]rs\)"$/\1/p' "$manifest")
    for source in src/lib.rs src/main.rs $named; do
        mkdir -p "$dir/$(dirname "$source")"
        printf '//! Stands in for the real source.\nfn main() {}\n' >"$dir/$source"
    done
    sed -i 's/fn main() {}//' "$dir/src/lib.rs"
done
cargo build --release --locked --target "$target" -j "${NIX_BUILD_CORES:-1}" $buildFlags

# Times are kept, for cargo goes by them; Nix would set them all to one. The programs made
# of nothing go.
find "$CARGO_TARGET_DIR/$target/release" -maxdepth 1 -type f -delete
tar --create --file "$out" --directory "$CARGO_TARGET_DIR" .
exit 0
