# Sourced. What dependencies and package must be compiled with alike.
export CARGO_TARGET_DIR="$NIX_BUILD_TOP/target" CARGO_INCREMENTAL=0

# nixpkgs' hook does so too: what is stripped is for the package to say.
export CARGO_PROFILE_RELEASE_STRIP=false

# The crates come from the store, not from a registry. cargo reads this file in every directory
# below; nixpkgs' cargoSetupHook writes the same.
if [ -n "$crates" ]; then
    mkdir -p "$NIX_BUILD_TOP/.cargo"
    cat >"$NIX_BUILD_TOP/.cargo/config.toml" <<CONFIG
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "$crates"
CONFIG
    # A path of the crates in a program would make them part of its closure.
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$crates=/cargo"
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$crates=/cargo"
    export RUSTFLAGS CFLAGS
fi

# A target that is named keeps RUSTFLAGS away from build scripts and macros.
target=$(rustc -vV | sed -n 's/^host: //p')
