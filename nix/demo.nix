# What the images hold by default: a small real backend and a small real Grafana plugin.
# A flake of one's own gives its own packages instead (nix/examples/consumer).
{ pkgs }:
let
  plugin = builtins.fromJSON (builtins.readFile ../demo/grafana-plugin/plugin.json);

  program =
    name:
    pkgs.rustPlatform.buildRustPackage {
      pname = name;
      version = "0.1.0";
      src = import ./source.nix {
        name = "demo-source";
        path = ../demo;
        filter =
          path: _:
          !(builtins.elem (baseNameOf path) [
            "target"
            "tests"
            "testing"
            "grafana-plugin"
          ]);
      };
      cargoLock.lockFile = ../demo/Cargo.lock;
      cargoBuildFlags = [
        "--package"
        name
      ];
      doCheck = false;
      meta.mainProgram = name;
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
