# Sourced by run: dockerTools, with a real store and a registry.

# An attribute of nix/tests/docker-tools-flake, built by this flake on the Debian set.
docker_tools() {
    mkdir -p "$work/user" && cp "$flake/nix/tests/docker-tools-flake.nix" "$work/user/flake.nix" &&
        build -o "$work/image" --impure "path:$work/user#$1" --no-write-lock-file \
            --override-input nixpkgs "path:$flake/nix/debian" --override-input cooper "$flake" || {
        cat "$work/build.log"
        return 1
    }
}

# The entries of an image's top layer, each with mode, owner and link; hashes are cut.
top_layer() {
    local layer
    layer=$(tar -xOf "$work/image" manifest.json | grep -o '"blobs/[^"]*"' | tail -n 1 | tr -d '"') || return 1
    tar -xOf "$work/image" "$layer" | tar -tvf - --numeric-owner |
        awk '{ print $1, $2, $6, $7, $8 }' | sed -e 's#/nix/store/[0-9a-z]*-#/nix/store/#' -e 's/ *$//'
}

# The store paths that lie in an image, by name.
stored() {
    local layer
    for layer in $(tar -xOf "$work/image" manifest.json | grep -o '"blobs/[^"]*"' | tr -d '"' | sort -u); do
        # One of them is the config.
        tar -xOf "$work/image" "$layer" | tar -tf - 2>/dev/null || :
    done | sed -n 's#^nix/store/[0-9a-z]*-\([^/]*\)/*$#\1#p' | sort
}

docker_tools_image() {
    docker_tools "$1" || return 1
    diff <(top_layer) "$flake/nix/tests/docker-tools-$1.txt" && diff <(stored) <(printf '%s\n' "${@:2}")
}

# As docker_tools_image, where a `cp` that leaves files says that it failed.
docker_tools_failing_cp() {
    docker_tools "$1ByFailingCp" && diff <(top_layer) "$flake/nix/tests/docker-tools-$1.txt"
}

# The same as docker_tools_image, with attributes that are structured by default.
docker_tools_structured() {
    docker_tools "$1Structured" && diff <(top_layer) "$flake/nix/tests/docker-tools-$1.txt" &&
        diff <(stored) <(printf '%s\n' "${@:2}")
}
docker_tools_unsaid() {
    docker_tools unsaid && { echo "this built, and should not"; return 1; }
    says '`contents` is not an environment variable' && says '__structuredAttrs = false'
}

# store_links IMAGE [NAME…]: the store paths that are links in an image are these.
store_links() {
    docker_tools "$1" || return 1
    local layer
    for layer in $(tar -xOf "$work/image" manifest.json | grep -o '"blobs/[^"]*"' | tr -d '"' | sort -u); do
        tar -xOf "$work/image" "$layer" | tar -tvf - 2>/dev/null || :
    done | sed -n 's#^l.* nix/store/[0-9a-z]*-\([^/ ]*\) -> .*#\1#p' | sort |
        diff - <([ $# = 1 ] || printf '%s\n' "${@:2}")
}
links_are_in_images() {
    store_links links link && stored | diff - <(printf '%s\n' link second) &&
        top_layer | grep -qxF 'lrwxrwxrwx 0/0 bin/two -> /nix/store/link/bin/two' || return 1
    store_links linksMerged inner && stored | diff - <(printf '%s\n' first inner second through) &&
        top_layer | grep -qxF 'lrwxrwxrwx 0/0 bin/two -> /nix/store/through/bin/two' || return 1
    store_links linksOwn inner link && stored | diff - <(printf '%s\n' inner link second through) || return 1
    store_links linksCopied && top_layer | grep -qxF -- '-r-xr-xr-x 0/0 bin/two' || return 1
    store_links linksWithoutStore && top_layer | grep -qxF -- '-rwxr-xr-x 0/0 bin/two' || return 1
    docker_tools linksOfTheSet && stored | grep -x 'bash-interactive-.*' || return 1
}

docker_tools_stream() {
    docker_tools streamed || return 1
    "$work/image" 2>"$work/streaming" >"$work/streamed.tar" || { cat "$work/streaming"; return 1; }
    tar -xOf "$work/streamed.tar" manifest.json | grep -qF '"streamed:v1"'
}

# The base's layers come first, then one more.
docker_tools_based() {
    docker_tools based || return 1
    diff <(top_layer) <(echo "-rw-r--r-- 0/0 above") && diff <(stored) <(printf '%s\n' first second)
}

docker_tools_merged() {
    docker_tools merged || return 1
    local manifest
    manifest=$(tar -xOf "$work/image" manifest.json) && grep -qF '"linked:v1"' <<<"$manifest" &&
        grep -qF '"copied:v1"' <<<"$manifest"
}

# A flake with the lock of an image in the tests' registry.
locked_base() {
    start_registry
    build -o "$work/cooper" "${on_debian[@]}" "$flake#cooper" && docker_tools linked || return 1
    local name=$COOPER_TEST_REGISTRY/base/linked:v1 cooper=$work/cooper/bin/cooper
    for _ in $(seq 50); do
        "$cooper" copy --quiet "archive:$work/image" "docker://$name" >"$work/push.log" 2>&1 && break
        sleep 0.2
    done
    "$cooper" lock "$name" -o "$work/user/base.lock.json" || { cat "$work/push.log"; return 1; }
}

# Without its lock the template says how to get one; with it the image is the base's layers and more.
template_on_base() {
    mkdir "$work/on-base" && (cd "$work/on-base" && nix flake init -t "$flake#on-a-base") || return 1
    fails --no-link "path:$work/on-base#redis" "${with_inputs[@]}" || return 1
    says 'base.lock.json' && says 'cooper lock NAME:TAG -o base.lock.json' && says 'git add' || return 1
    [ -e "$work/user/base.lock.json" ] || locked_base || return 1
    sed -i "s#docker.io/library/debian:12#$COOPER_TEST_REGISTRY/base/linked:v1#
        s#base.lock = .*#& compression = \"none\";#" "$work/on-base/flake.nix"
    (cd "$work/on-base" && nix run "path:$work/on-base#lock" "${with_inputs[@]}") &&
        built image "path:$work/on-base#redis" || return 1
    stored | grep -x first && stored | grep '^redis' && top_layer | grep -x 'drwxr-xr-x 999/999 data/'
}

# The lock's blobs are fetched one by one, and the image on top is the same as from an archive.
base_by_lock() {
    locked_base && docker_tools locked || return 1
    grep -qF '"lock":"/nix/store/' "$(nix-store -qR "$(nix-store -qd "$work/image")" |
        grep -- '-locked-spec[.]drv$' | xargs nix-store -q --outputs)/spec.json" || return 1
    diff <(top_layer) <(echo "-rw-r--r-- 0/0 above") && diff <(stored) <(printf '%s\n' first second)
}

pull_by_lock() {
    [ -e "$work/user/base.lock.json" ] || locked_base || return 1
    docker_tools pulled || return 1
    grep -qF '"pulled:v1"' <<<"$(tar -xOf "$work/image" manifest.json)" || return 1
    docker_tools onPulled && diff <(top_layer) <(echo "-rw-r--r-- 0/0 above") &&
        diff <(stored) <(printf '%s\n' first second)
}

pull_without_lock() {
    fails --no-link "${on_debian[@]}" --impure --expr \
        "((builtins.getFlake \"$reference\").lib.mkLib ($packages)).dockerTools.pullImage { imageName = \"debian\"; imageDigest = \"sha256:1\"; sha256 = \"\"; }" || return 1
    says 'cooper lock debian@sha256:1 -o base.lock.json'
}

docker_tools_root() {
    docker_tools root && { echo "this built, and should not"; return 1; }
    says 'runAsRoot' && says 'directories."/data"'
}
