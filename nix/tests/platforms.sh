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
        says "the packages of mkLib are built on $system" && says 'it has one for x86_64-linux, aarch64-linux' || return 1
    done
}

# An image of packages that are made on a machine of their own kind, and the same across. Nothing
# here runs the packages, so this machine can pass for the other one.
cross_image() {
    flake_of crossing 'let
        native = nixpkgs.legacyPackages.aarch64-linux;
        cross = nixpkgs.legacyPackages.x86_64-linux.pkgsCross.aarch64-multiplatform;
        image = set: layering: (import "${cooper}/nix/lib" {
          pkgs = set;
          cooper = cooper.packages.x86_64-linux;
        }).buildImage {
          name = "crossed";
          contents = [ set.prometheus set.bashInteractive ];
          layering = layering // { maxLayers = 9; changesOften = [ "prometheus-env" "libc6" ]; };
        };
        both = layering: suffix: {
          "native${suffix}" = (image native layering).spec;
          "cross${suffix}" = (image cross layering).spec;
        };
      in both { } "" // both { lock = ./layers.lock.json; } "Kept"'
    local NIX_CONFIG=$NIX_CONFIG$'\nextra-platforms = aarch64-linux' name
    built cooper "$flake#cooper" || return 1
    for name in native cross nativeKept crossKept; do
        built "$name" "path:$work/crossing#$name" || return 1
        cooper plan --json "$work/$name" 2>"$work/$name.warnings" |
            sed -e 's#/nix/store/[0-9a-z]*-##g' -e 's/-aarch64-unknown-linux-gnu//g' | grep -o '"paths":[^]]*]' |
            while read -r layer; do tr '[],' '\n' <<<"$layer" | sort | paste -sd ' '; done >"$work/$name.plan"
        grep -q -- '-aarch64-unknown-linux-gnu-' "$work/$name/spec.json" || [[ $name = native* ]] || return 1
        ! grep changesOften "$work/$name.warnings" && [ -s "$work/$name.plan" ] || return 1
        [ "$name" != cross ] || cooper plan --quiet --json "$work/native" --write-lock="$work/crossing/layers.lock.json" >/dev/null
        # All in one layer: another plan than a fresh one.
        [ "$name" != cross ] || sed -i 's/\],\[/,/g' "$work/crossing/layers.lock.json"
    done
    diff "$work/native.plan" "$work/cross.plan" && diff "$work/nativeKept.plan" "$work/crossKept.plan" &&
        [ "$(wc -l <"$work/native.plan")" -gt 2 ] && [ "$(wc -l <"$work/crossKept.plan")" = 1 ]
}

# A program that goes into images by itself brings no other store path, and is small.
static_program() {
    local program="(import (flake + \"/nix/programs.nix\") { inherit pkgs; }).$1"
    build -o "$work/program" --impure --expr "$(expression "$program")" || { cat "$work/build.log"; return 1; }
    diff <(nix path-info -r "$work/program") <(readlink -f "$work/program") || return 1
    [ "$(stat -c %s "$work/program/bin/$1")" -le 1048576 ] || { ls -l "$work/program/bin/"; return 1; }
    "$work/program/bin/$1" --help >/dev/null || return 1
    # The linker's output refers to another path, and does not pass.
    fails --no-link --impure --expr "$(expression "$program.overrideAttrs { postFixup = \"\"; }")" || return 1
    says 'is not allowed to refer to'
}

one_platform_twice() {
    both_of 'one = amd64; two = amd64;'
    fails --no-link "path:$work/both#both" "${with_inputs[@]}" || return 1
    says 'images.two' && says 'its platform is linux/amd64, like that of `images.one`'
}
