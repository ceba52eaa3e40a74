# Sourced by run: the newest Nix, of the root that tests/new-root.sh builds, in its sandbox. What
# the images are made of comes from this machine's store: Debian's packages are unpacked with the
# host's tools, which no sandbox has. The sandbox has the loader and the libraries of that root,
# because the host's Rust links cooper to them.

newest_root=${COOPER_TEST_NEW:-}
[ "$newest_root" != 1 ] || newest_root=$flake/target/new-root

newest_nix() {
    local directories=("$flake" "$work")
    # The commits of a git work tree are in another directory.
    [ ! -f .git ] || directories+=("$(git rev-parse --path-format=absolute --git-common-dir)")
    unshare --pid --fork --kill-child tests/in-new-root.sh "$newest_root" "${directories[@]}" -- \
        env HOME="$work" NIX_CONFIG="experimental-features = nix-command flakes
sandbox = true
sandbox-fallback = false
build-users-group =
substituters =
extra-sandbox-paths = /lib=/usr/lib /lib64=/usr/lib64" nix --store "$work/new-store" "$@"
}

newest_evaluates() { newest_nix flake check --no-build "$reference" "${on_debian[@]}"; }

# The store paths that an image's spec is made of, and the program that makes it.
made_of() {
    local drv spec
    drv=$(nix eval --raw "$reference#$1.drvPath" "${on_debian[@]}") || return 1
    spec=$(nix-store -q --references "$drv" | grep -- '-spec.drv$') || return 1
    nix-store -q --references "$spec" | grep '[.]drv$' | xargs nix-store -q --outputs
}

same_bytes() {
    local image=$1 paths path
    build -o "$work/oldest" "$reference#$image" "${on_debian[@]}" || return 1
    mapfile -t paths < <(made_of "$image")
    nix copy --no-check-sigs --to "$work/new-store" "${paths[@]}" || return 1
    newest_nix build --no-link -L "$reference#$image" "${on_debian[@]}" || return 1
    path=$(readlink -f "$work/oldest")
    cmp "$path" "$work/new-store$path"
}
