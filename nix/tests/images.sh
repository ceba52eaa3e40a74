# Sourced by run: the flake's own images, with a real store.
# shellcheck shell=bash

# The files themselves are in the images, and nothing that leads out of the plugin's directory.
plugin_link() {
    local dir=$work/plugin-tree image
    mkdir -p "$dir/tree" && echo '{"id":"a-b-app","type":"app","info":{"version":"1.0.0"}}' >"$dir/tree/plugin.json"
    image="import (flake + \"/nix/images/plugin.nix\") {
        inherit pkgs;
        grafana-plugin = pkgs.runCommand \"plugin\" { tree = $dir/tree; } ''ln -s \$tree \$out'';
        grafana = pkgs.runCommand \"grafana\" { } ''mkdir -p \$out/share/grafana/public/app/plugins/datasource'';
        provisioning = pkgs.runCommand \"provisioning\" { } ''mkdir -p \$out/datasources'';
    }"
    build -o "$work/checked" --impure --expr "$(expression "($image).inGrafana")" || { cat "$work/build.log"; return 1; }
    [ -f "$work/checked/var/lib/grafana/plugins/a-b-app/plugin.json" ] &&
        [ -z "$(find "$work/checked/" -type l)" ]
}

# provisioned YAML TYPES…: the tree of Grafana's image is built with a Grafana that has these types,
# the first half of them in the layout of 13.2 and later.
provisioned() {
    local yaml=$1 dir=$work/provisioned below=data/plugins-bundled type
    shift
    rm -rf "$dir" && mkdir -p "$dir/provisioning/datasources" "$dir/grafana/share/grafana/public" "$dir/plugin"
    printf '%s\n' "$yaml" >"$dir/provisioning/datasources/all.yaml"
    echo '{"id":"a-b-app","type":"app","info":{"version":"1.0.0"}}' >"$dir/plugin/plugin.json"
    for type; do
        mkdir -p "$dir/grafana/share/grafana/$below/$type"
        echo "{\"id\":\"$type\",\"aliasIDs\":[\"old-$type\"]}" >"$dir/grafana/share/grafana/$below/$type/plugin.json"
        [ $below = public/app/plugins/datasource ] && below=data/plugins-bundled || below=public/app/plugins/datasource
    done
    build --no-link --impure --expr "$(expression "(import (flake + \"/nix/images/plugin.nix\") {
        inherit pkgs;
        grafana = $dir/grafana;
        grafana-plugin = $dir/plugin;
        provisioning = $dir/provisioning;
    }).inGrafana")"
}
data_sources() {
    local four
    four=$(cat compose/provisioning/datasources/betrace.yaml)
    provisioned "$four" prometheus tempo loki grafana-pyroscope-datasource || { cat "$work/build.log"; return 1; }
    ! provisioned "$four" prometheus loki || return 1
    says 'no plugin for the data source type `tempo` of datasources/all.yaml' &&
        says 'type `grafana-pyroscope-datasource`' && says 'data/plugins-bundled' || return 1
    local text refused=(
        $'datasources:\n- {name: a, type: "loki", jsonData: {type: tempo}}'
        $'datasources:\n  - type: \'loki\' # as before\n    name: a'
        $'apiVersion: 1\r\ndatasources:\r\n  - name: a\r\n    type: loki\r'
    ) taken=(
        $'datasources:\n- {name: a, type: tempo, jsonData: {type: loki}}'
        $'datasources:\n  - name: a\n    type: old-tempo\n    jsonData:\n      type: loki'
        $'datasources:\n  - name: a\n    type: $KIND\nothers:\n  - type: loki'
        $'deleteDatasources:\n  - name: a\n    type: loki'
    )
    for text in "${refused[@]}"; do
        ! provisioned "$text" tempo && says 'type `loki`' || { echo "$text"; return 1; }
    done
    for text in "${taken[@]}"; do
        provisioned "$text" tempo || { echo "$text"; cat "$work/build.log"; return 1; }
    done
}

# The paths that this flake's images have at a commit of a copy of it.
image_paths() {
    local name
    for name in backend-docker grafana-with-plugin plugin-init prometheus-docker; do
        nix eval --raw "${on_debian[@]}" "git+file://$work/clone#packages.x86_64-linux.$name.spec.drvPath" || return 1
        echo " $name"
    done
}
commits() {
    local git=(git -C "$work/clone" -c user.name=test -c user.email=test@example.org -c commit.gpgsign=false)
    mkdir "$work/clone" && git ls-files -z | tar -c --null -T - | tar -x -C "$work/clone" || return 1
    "${git[@]}" init -q && "${git[@]}" add -A && "${git[@]}" commit -qm one && image_paths >"$work/paths-first" || return 1
    echo >>"$work/clone/README.md" && "${git[@]}" commit -qam two && image_paths >"$work/paths-second" || return 1
    diff "$work/paths-first" "$work/paths-second" || return 1
    echo >>"$work/clone/demo/grafana-plugin/README.md" && "${git[@]}" commit -qam three &&
        image_paths >"$work/paths-third" || return 1
    diff <(comm -3 <(sort "$work/paths-first") <(sort "$work/paths-third") | awk '{ print $2 }' | sort -u) \
        <(printf '%s\n' grafana-with-plugin plugin-init)
}
