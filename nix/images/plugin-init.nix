# betrace-plugin-init: an init container that copies the plugin into a pod's volume.
# /plugin, and static `cp` and `sh` on PATH; nothing else. The files are copied to their
# places, not linked there from the store: `cp -r /plugin DIR` copies a directory.
{
  lib,
  pkgs,
  grafana-plugin,
  cp,
  labels,
  tag ? "latest",
}:
let
  plugin = import ./plugin.nix { inherit pkgs grafana-plugin; };
  tree =
    pkgs.runCommand "plugin-init-tree"
      {
        inherit cp;
        plugin = plugin.checked;
        sh = pkgs.busybox-sandbox-shell;
      }
      ''
        mkdir -p "$out/bin"
        cp -L "$cp/bin/cp" "$out/bin/cp"
        cp -L "$sh/bin/busybox" "$out/bin/sh"
        cp -rL "$plugin/files" "$out/plugin"
      '';
  user = 65532;
in
lib.buildImage {
  name = "betrace-plugin-init";
  inherit tag;
  contents = [ tree ];
  includeStorePaths = false;
  presets = [ "tmp" ];
  users.nonroot.uid = user;
  groups.nonroot.gid = user;
  config = {
    User = "${toString user}:${toString user}";
    Env.PATH = "/bin";
    Cmd = [
      "cp"
      "-r"
      "/plugin"
      "/grafana-plugins/betrace-app"
    ];
    WorkingDir = "/";
    Labels = labels // {
      "org.opencontainers.image.title" = "BeTrace plugin, for an init container";
      "org.opencontainers.image.description" = "Copies the BeTrace plugin into a volume that Grafana reads";
    };
  };
}
