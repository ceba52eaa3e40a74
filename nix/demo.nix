# What the images hold by default: a small real backend and a small real Grafana plugin.
# A flake of one's own gives its own packages instead (nix/examples/consumer).
{ pkgs }:
let
  plugin = builtins.fromJSON (builtins.readFile ../demo/grafana-plugin/plugin.json);

  program =
    name:
    import ./rust-program.nix { inherit pkgs; } {
      inherit name;
      source = "demo-source";
      workspace = ../demo;
      without = [
        "target"
        "tests"
        "testing"
        "grafana-plugin"
      ];
      select = "--package";
    };
in
{
  backend = program "demo-backend";

  grafana-plugin = pkgs.runCommand "demo-grafana-plugin-${plugin.info.version}" {
    files = ../demo/grafana-plugin;
  } ''cp -r "$files" "$out"'';

  # Where the package set has no Grafana.
  grafana-stand-in = program "grafana-stand-in";
}
