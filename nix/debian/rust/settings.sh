# Sourced. What dependencies and package must be compiled with alike.
export CARGO_TARGET_DIR="$NIX_BUILD_TOP/target" CARGO_INCREMENTAL=0

# nixpkgs' hook does so too: what is stripped is for the package to say.
export CARGO_PROFILE_RELEASE_STRIP=false

# Where the crates lay must not show in the program: another machine, another path.
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$CARGO_HOME=/cargo"
export RUSTFLAGS

# A target that is named keeps RUSTFLAGS away from build scripts and macros.
target=$(rustc -vV | sed -n 's/^host: //p')
