# Compiles a package's dependencies, and nothing of the package: its manifests are there,
# and empty sources in place of its own. Of value as long as manifests and lock stay.
. "$findRust"
. "$cargoSettings"

work=$NIX_BUILD_TOP/work
. "$writeStubs"
cd "$work"
eval "$preBuild"
cargo build --release --locked --target "$target" -j "${NIX_BUILD_CORES:-1}" $buildFlags

# Times are kept, for cargo goes by them; Nix would set them all to one. The programs made
# of nothing go.
find "$CARGO_TARGET_DIR/$target/release" -maxdepth 1 -type f -delete
tar --create --file "$out" --directory "$CARGO_TARGET_DIR" .
exit 0
