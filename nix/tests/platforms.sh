# Sourced by run: images for several platforms, of real packages for each.

both_of() {
    flake_of both "let
        image = pkgs: lib: lib.buildImage {
          name = \"both\";
          contents = [ pkgs.bashInteractive ];
          config.Entrypoint = [ \"/bin/bash\" ];
        };
        amd64 = image pkgs lib;
        cross = pkgs.pkgsCross.aarch64-multiplatform;
        arm64 = image cross (cooper.lib.mkLib cross);
      in { both = lib.buildImageIndex { images = { $1 }; }; }"
}

# It goes into a registry, where Docker's client sees both, and one of them out again.
both_platforms() {
    both_of 'inherit amd64 arm64;'
    built cooper "$flake#cooper" && built layout "path:$work/both#both.layout" &&
        built push "path:$work/both#both.push" || return 1
    cooper validate "$work/layout" && start_registry || return 1
    local name=$COOPER_TEST_REGISTRY/both:latest
    for _ in $(seq 50); do
        "$work/push/bin/push-both" --quiet --to "$COOPER_TEST_REGISTRY" 2>"$work/push.log" && break
        sleep 0.2
    done
    docker manifest inspect --insecure "$name" >"$work/manifest" || { cat "$work/push.log"; return 1; }
    grep -q '"architecture": "amd64"' "$work/manifest" &&
        grep -q '"architecture": "arm64"' "$work/manifest" || { cat "$work/manifest"; return 1; }
    cooper copy --platform linux/arm64 "docker://$name" "oci:$work/one:arm64" &&
        umoci unpack --image "$work/one:arm64" "$work/bundle" || return 1
    cp "$(command -v qemu-aarch64-static)" "$work/bundle/rootfs/qemu"
    # shellcheck disable=SC2016
    [ "$(chroot "$work/bundle/rootfs" /qemu /bin/bash -c 'echo $HOSTTYPE')" = aarch64 ]
}

# Packages that are built on a machine of another kind than those that the flake has a cooper for.
unknown_machine() {
    local system
    for system in riscv64-linux aarch64-darwin; do
        flake_of machine "let
            on = pkgs // { stdenv = pkgs.stdenv // { buildPlatform.system = \"$system\"; }; };
          in { image = (cooper.lib.mkLib on).buildImage { name = \"app\"; contents = [ pkgs.tzdata ]; }; }"
        fails --no-link "path:$work/machine#image" "${with_inputs[@]}" || return 1
        says "packages are built on $system" && says 'there is one for x86_64-linux, aarch64-linux' || return 1
    done
}

one_platform_twice() {
    both_of 'one = amd64; two = amd64;'
    fails --no-link "path:$work/both#both" "${with_inputs[@]}" || return 1
    says 'images.two' && says 'it is for linux/amd64, as `images.one` is'
}
