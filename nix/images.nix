# The images for a set of packages: `images { backend = …; grafana-plugin = …; }`. The defaults are
# packages of the demo.
{
  pkgs,
  mkLib,
}:
{
  backend ? null,
  grafana-plugin ? null,
  grafana ? null,
  provisioning ? ../compose/provisioning,
  prometheusConfiguration ? ../compose/prometheus.yml,
  source ? "https://github.com/betracehq/betrace",
  licenses ? "MIT",
  revision ? null,
  created ? null,
  tag ? "latest",
}@arguments:
let
  types = import ./lib/types.nix;
  package = types.nullOr types.package;
  isValid = types.throwUnlessValid "images" (
    (types.record {
      fields = {
        backend = package;
        grafana-plugin = package;
        grafana = package;
        provisioning = types.storePath;
        prometheusConfiguration = types.storePath;
        source = types.string;
        licenses = types.string;
        revision = types.nullOr types.string;
        created = types.nullOr types.timestamp;
        tag = types.anything;
      };
    }).check "" arguments
  );

  ownLib = mkLib pkgs;
  lib = ownLib // {
    buildImage = image: ownLib.buildImage ((if created == null then { } else { inherit created; }) // image);
  };
  programs = import ./programs.nix { inherit pkgs; };
  demo = import ./demo.nix { inherit pkgs; };
  or' = default: value: if value == null then default else value;

  theBackend = or' demo.backend backend;
  thePlugin = or' demo.grafana-plugin grafana-plugin;
  standIn = grafana == null && !(pkgs ? grafana);
  theGrafana = or' (pkgs.grafana or demo.grafana-stand-in) grafana;

  versionOf = package: package.version or (builtins.parseDrvName package.name).version;
  # The caller's revision. Without one, the demo's packages have the hash of their sources: a commit
  # that does not change the sources does not change a digest.
  labelsOf =
    package: ofSource:
    let
      known = if revision != null then revision else ofSource;
    in
    {
      "org.opencontainers.image.source" = source;
      "org.opencontainers.image.licenses" = licenses;
      "org.opencontainers.image.version" = versionOf package;
    }
    // (if known == null then { } else { "org.opencontainers.image.revision" = known; });
  backendLabels = labelsOf theBackend (if backend == null then demo.revisions.backend else null);
  pluginLabels = labelsOf thePlugin (if grafana-plugin == null then demo.revisions.grafana-plugin else null);
in
assert isValid;
{
  backend-docker = import ./images/backend.nix {
    inherit lib tag;
    inherit (programs) healthprobe;
    backend = theBackend;
    labels = backendLabels;
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
    labels = pluginLabels;
  };
  plugin-init = import ./images/plugin-init.nix {
    inherit lib pkgs tag;
    inherit (programs) cp;
    grafana-plugin = thePlugin;
    labels = pluginLabels;
  };
  prometheus-docker = import ./images/prometheus.nix {
    inherit lib tag;
    inherit (programs) healthprobe;
    inherit (pkgs) prometheus;
    configuration = prometheusConfiguration;
    labels = labelsOf pkgs.prometheus null;
  };
}
