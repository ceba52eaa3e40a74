# The crates of a Cargo.lock, unpacked in the layout of `cargo vendor`.
#
# cargo fetches them with the account's settings into the account's cargo home, if that is writable.
# So a machine downloads each crate once, from the registry that it is configured for.
. "$findRust"
export HOME="$account_home" CARGO_HOME="${account_cargo_home:-$NIX_BUILD_TOP/cargo-home}"

if grep -q '^source = "git+' "$lockFile"; then
    echo "nix/debian: $lockFile has crates from git; only crates of a registry are supported" >&2
    exit 1
fi
work=$NIX_BUILD_TOP/work
. "$writeStubs"
(cd "$work" && cargo fetch --locked)

# One line per crate: name, version, sha256.
awk -F '"' '/^name = /{ name = $2 } /^version = /{ version = $2 } /^checksum = /{ print name, version, $2 }' \
    "$lockFile" | while read -r name version sha256; do
    for file in "$CARGO_HOME/registry/cache"/*/"$name-$version.crate"; do
        echo "$sha256  $file" | sha256sum --check --status 2>/dev/null && break
        file=
    done
    if [ -z "$file" ]; then
        echo "nix/debian: cargo did not fetch $name $version with the checksum of Cargo.lock" >&2
        exit 1
    fi
    mkdir -p "$out"
    tar --extract --gzip --no-same-owner --file "$file" --directory "$out"
    printf '{"files":{},"package":"%s"}' "$sha256" >"$out/$name-$version/.cargo-checksum.json"
done
