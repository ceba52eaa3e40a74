# Sourced. Settings that dependencies and package must have in common.
export CARGO_TARGET_DIR="$NIX_BUILD_TOP/target" CARGO_INCREMENTAL=0

# As in nixpkgs' hook; the package selects what is stripped.
export CARGO_PROFILE_RELEASE_STRIP=false

# Makes cargo read the crates from the store and not from a registry. The file applies to all
# directories below; nixpkgs' cargoSetupHook writes the same.
if [ -n "$crates" ]; then
    mkdir -p "$NIX_BUILD_TOP/.cargo"
    cat >"$NIX_BUILD_TOP/.cargo/config.toml" <<CONFIG
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "$crates"
CONFIG
    # A path of the crates in a program would add them to its closure.
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$crates=/cargo"
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$crates=/cargo"
    export RUSTFLAGS CFLAGS
fi

# With an explicit target, RUSTFLAGS does not apply to build scripts and macros.
target=$(rustc -vV | sed -n 's/^host: //p')
