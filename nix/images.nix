# The images for a set of packages: `images { backend = …; grafana-plugin = …; }`. What is
# not given is the demo's; what is given is only put into images, never built here.
{
  pkgs,
  mkLib,
  revision,
}:
{
  backend ? null,
  grafana-plugin ? null,
  grafana ? null,
  provisioning ? ../compose/provisioning,
  prometheusConfiguration ? ../compose/prometheus.yml,
  source ? "https://github.com/betracehq/betrace",
  licenses ? "MIT",
  tag ? "latest",
}@arguments:
let
  types = import ./lib/types.nix;
  package = types.nullOr types.package;
  fine = types.insist "images" (
    (types.record {
      fields = {
        backend = package;
        grafana-plugin = package;
        grafana = package;
        provisioning = types.storePath;
        prometheusConfiguration = types.storePath;
        source = types.string;
        licenses = types.string;
        tag = types.anything;
      };
    }).check "" arguments
  );

  lib = mkLib pkgs;
  programs = import ./programs.nix { inherit pkgs; };
  demo = import ./demo.nix { inherit pkgs; };
  or' = default: value: if value == null then default else value;

  theBackend = or' demo.backend backend;
  thePlugin = or' demo.grafana-plugin grafana-plugin;
  standIn = grafana == null && !(pkgs ? grafana);
  theGrafana = or' (pkgs.grafana or demo.grafana-stand-in) grafana;

  versionOf = package: package.version or (builtins.parseDrvName package.name).version;
  labelsOf = package: {
    "org.opencontainers.image.source" = source;
    "org.opencontainers.image.licenses" = licenses;
    "org.opencontainers.image.version" = versionOf package;
    "org.opencontainers.image.revision" = revision;
  };
in
assert fine;
{
  backend-docker = import ./images/backend.nix {
    inherit lib tag;
    inherit (programs) healthprobe;
    backend = theBackend;
    labels = labelsOf theBackend;
  };
  grafana-with-plugin = import ./images/grafana.nix {
    inherit
      lib
      pkgs
      tag
      provisioning
      standIn
      ;
    inherit (programs) healthprobe;
    grafana = theGrafana;
    grafana-plugin = thePlugin;
    labels = labelsOf thePlugin;
  };
  plugin-init = import ./images/plugin-init.nix {
    inherit lib pkgs tag;
    inherit (programs) cp;
    grafana-plugin = thePlugin;
    labels = labelsOf thePlugin;
  };
  prometheus-docker = import ./images/prometheus.nix {
    inherit lib tag;
    inherit (programs) healthprobe;
    inherit (pkgs) prometheus;
    configuration = prometheusConfiguration;
    labels = labelsOf pkgs.prometheus;
  };
}
