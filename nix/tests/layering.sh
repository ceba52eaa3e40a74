# Sourced by run: layers of sets, of locks and of the history of locks.

# Images of a set that are planned together want one `layering`.
unlike_layering() {
    flake_of unlike 'let
        image = name: layering: lib.buildImage { inherit name; contents = [ pkgs.tzdata ]; layering = { mode = "set"; } // layering; };
        set = one: two: (lib.buildImageSet { images = { one = image "one" one; two = image "two" two; }; }).images.two.spec;
      in { unlike = set { maxLayers = 40; } { maxLayers = 30; }; like = set { maxLayers = 40; } { maxLayers = 40; }; }'
    fails --no-link "path:$work/unlike#unlike" "${with_inputs[@]}" || return 1
    says 'images.two' && says 'differs from that of `images.one` in maxLayers' && says 'let layering' || return 1
    built like "path:$work/unlike#like"
}

# Neither of two images of one name and tag is lost; with other tags both are in the layout.
same_name() {
    flake_of same 'let
        image = tag: layering: lib.buildImage { name = "app"; inherit tag layering; contents = [ pkgs.tzdata ]; };
        set = one: two: mode: lib.buildImageSet { images = { one = image one mode; two = image two mode; }; };
      in {
        same = set "v1" "v1" "image";
        together = set "v1" "debug" "set";
        other = set "v1" "debug" "image";
      }'
    fails --no-link "path:$work/same#same" "${with_inputs[@]}" || return 1
    says '`images.two`: `images.one` has the same name and tag, `app:v1`' || return 1
    fails --no-link "path:$work/same#together" "${with_inputs[@]}" || return 1
    says '`images.two`: `images.one` has the same name, `app`' && says 'planned together' || return 1
    built other "path:$work/same#other" || return 1
    grep -q '/app:v1"' "$work/other/index.json" && grep -q '/app:debug"' "$work/other/index.json" ||
        { cat "$work/other/index.json"; return 1; }
}

# One layers lock, one digest: from nix build, cooper build and what build-all runs.
layers_lock() {
    flake_of locked '{ image = lib.buildImage {
        name = "locked";
        contents = [ pkgs.tzdata pkgs.prometheus ];
        layering = { maxLayers = 9; lock = ./layers.lock.json; };
      }; }'
    built cooper "$flake#cooper" && built fresh "path:$work/locked#image.spec" || return 1
    local layers
    layers=$(cooper plan --json "$work/fresh" --write-lock="$work/locked/layers.lock.json" | grep -o '"paths"' | wc -l)
    [ "$layers" -gt 2 ] || { echo "$layers layers are too few to tell"; return 1; }
    # All in one layer: another image than the fresh one.
    sed -i 's/\],\[/,/g' "$work/locked/layers.lock.json"
    built kept "path:$work/locked#image.spec" && built archive "path:$work/locked#image" &&
        built load "path:$work/locked#image.load" || return 1
    layers=$(cooper plan --json "$work/kept" 2>"$work/warning" | grep -o '"paths"' | wc -l)
    [ "$layers" = 1 ] || { echo "the lock was not kept: $layers layers"; return 1; }
    grep -q -- --repack "$work/warning" || { echo "no warning: $(cat "$work/warning")"; return 1; }
    cooper build "$work/kept" -o "$work/built.tar" --cache none || return 1
    (cd "$work" && DOCKER_HOST=unix:///missing "$work/load/bin/load-locked" --cache none --or-save saved) || return 1
    cmp "$work/archive" "$work/built.tar" && cmp "$work/archive" "$work/saved/locked.tar"
}

# The history of a lock, in a real repository: a commit that does not change the lock is not a version, one
# that does not evaluate is left out by name.
lock_history() {
    local repository=$work/history revision
    flake_of history '{ image = lib.buildImage {
        name = "history";
        files."/lock".source = "${./nix/debian/lock.json}";
        files."/terms".source = "${./terms}";
      }; }'
    mkdir -p "$repository/nix/debian"
    git -C "$repository" init -q
    committed() {
        git -C "$repository" add -A &&
            git -C "$repository" -c user.name=a -c user.email=a@example.org commit -qm "$1"
    }
    echo 'long ago' >"$repository/terms" && echo '{"at":1}' >"$repository/nix/debian/lock.json" && committed one &&
        echo 'yesterday' >"$repository/terms" && committed terms &&
        echo '{"at":2}' >"$repository/nix/debian/lock.json" && mv "$repository/terms" "$repository/moved" && committed broken &&
        revision=$(git -C "$repository" rev-parse --short=12 HEAD) &&
        mv "$repository/moved" "$repository/terms" && echo '{"at":3}' >"$repository/nix/debian/lock.json" && committed three || return 1
    built cooper "$flake#cooper" || return 1
    local arguments=()
    for argument in "${with_inputs[@]}"; do arguments+=("--nix-argument=$argument"); done
    cooper simulate --flake "$repository#image" "${arguments[@]}" >"$work/table" 2>"$work/left" || { cat "$work/left"; return 1; }
    grep -q "^warning: left out $revision of .*terms" "$work/left" && [ "$(wc -l <"$work/left")" = 1 ] || { cat "$work/left"; return 1; }
    grep -q '^cooper ' "$work/table" && grep -q '^popularity ' "$work/table" || { cat "$work/table"; return 1; }
    ! cooper simulate --flake "$repository#image" --last 1 "${arguments[@]}" 2>"$work/left" &&
        grep -q '1 of 1 commits have a closure of `image`' "$work/left" || { cat "$work/left"; return 1; }
}
