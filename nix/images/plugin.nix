# A Grafana plugin, checked as it is built: a plugin that Grafana would not load fails the
# build with file and field. Its id is read there too, for evaluation cannot wait for a
# package to be built.
{
  pkgs,
  grafana-plugin,
  # For Grafana's image alone.
  grafana ? null,
  provisioning ? null,
}:
let
  jq = "${pkgs.buildPackages.jq}/bin/jq";
  # files (the plugin), id, and config.json: what its image's config needs on top.
  checked = pkgs.runCommand "grafana-plugin-checked" {
    inherit jq;
    plugin = grafana-plugin;
  } (builtins.readFile ./check-plugin.sh);
in
{
  inherit checked;
  configFragment = "${checked}/config.json";

  # The plugin and the data sources where Grafana's image has them.
  inGrafana = pkgs.runCommand "grafana-plugin-tree" {
    inherit
      checked
      grafana
      jq
      provisioning
      ;
  } ''
    ${builtins.readFile ./check-datasources.sh}
    plugins=$out/var/lib/grafana/plugins
    mkdir -p "$plugins" "$out/etc/grafana"
    cp -rL "$checked/files" "$plugins/$(cat "$checked/id")"
    cp -rL "$provisioning" "$out/etc/grafana/provisioning"
  '';
}
