# betrace-grafana-plugin: Grafana with the plugin and its data sources inside.
#
# `standIn` says that `grafana` is not Grafana but a program that loads plugins by its
# rules; the image's labels say so too.
{
  lib,
  pkgs,
  grafana,
  grafana-plugin,
  healthprobe,
  provisioning,
  labels,
  standIn ? false,
  tag ? "latest",
}:
let
  plugin = import ./plugin.nix {
    inherit
      pkgs
      grafana
      grafana-plugin
      provisioning
      ;
  };
  user = 472;
  owned = {
    mode = "0755";
    uid = user;
    gid = user;
  };
in
lib.buildImage {
  name = "betrace-grafana-plugin";
  inherit tag;
  contents = [
    grafana
    plugin.inGrafana
  ];
  presets = [
    "ca-certificates"
    "tzdata"
    "nss"
    "tmp"
  ];
  users.grafana = {
    uid = user;
    home = "/var/lib/grafana";
  };
  groups.grafana.gid = user;
  directories = {
    "/var/lib/grafana" = owned;
    "/var/lib/grafana/plugins" = owned;
    "/var/log/grafana" = owned;
  };

  # GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS, when the plugin is not signed.
  configFragments = [ plugin.configFragment ];
  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [
      "${grafana}/bin/grafana"
      "server"
      "--homepath"
      "${grafana}/share/grafana"
      "--packaging"
      "docker"
      "cfg:default.log.mode=console"
    ];
    Env = {
      GF_PATHS_DATA = "/var/lib/grafana";
      GF_PATHS_LOGS = "/var/log/grafana";
      GF_PATHS_PLUGINS = "/var/lib/grafana/plugins";
      GF_PATHS_PROVISIONING = "/etc/grafana/provisioning";
      # Else Grafana fetches plugins from the network at every start.
      GF_PLUGINS_PREINSTALL_DISABLED = "true";
    };
    WorkingDir = "/var/lib/grafana";
    ExposedPorts = [ "3000/tcp" ];
    Healthcheck = {
      Test = [
        "CMD"
        "${healthprobe}/bin/healthprobe"
        "http://127.0.0.1:\${GF_SERVER_HTTP_PORT:-3000}/api/health"
      ];
      Interval = "10s";
      Timeout = "3s";
      StartPeriod = "30s";
      Retries = 3;
    };
    Labels =
      labels
      // {
        "org.opencontainers.image.title" =
          if standIn then "Grafana stand-in with the BeTrace plugin" else "Grafana with the BeTrace plugin";
        "org.opencontainers.image.description" = "Grafana with the BeTrace plugin and its data sources";
      }
      // (if standIn then { "cooper.stand-in" = "grafana-stand-in"; } else { });
  };
  layering.changesOften = [
    "grafana-plugin-tree"
    "healthprobe"
  ];
}
