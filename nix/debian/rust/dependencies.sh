# Compiles the dependencies of a package, from its manifests and empty sources. The result is valid
# until a manifest or the lock file changes.
. "$findRust"
. "$cargoSettings"

work=$NIX_BUILD_TOP/work
. "$writeStubs"
cd "$work"
eval "$preBuild"
cargo build --release --locked --target "$target" -j "${NIX_BUILD_CORES:-1}" $buildFlags

# An archive keeps the times of files, which cargo compares and Nix would reset. The empty programs
# are deleted.
find "$CARGO_TARGET_DIR/$target/release" -maxdepth 1 -type f -delete
tar --create --file "$out" --directory "$CARGO_TARGET_DIR" .
exit 0
