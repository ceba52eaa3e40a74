# What the images hold by default: a small real backend and a small real Grafana plugin.
# A flake of one's own gives its own packages instead (examples/consumer).
{ pkgs }:
let
  plugin = builtins.fromJSON (builtins.readFile ../demo/grafana-plugin/plugin.json);

  source = "demo-source";
  workspace = ../demo;
  without = [
    "target"
    "tests"
    "testing"
    "grafana-plugin"
    "grafana-home"
  ];
  program =
    name:
    import ./rust-program.nix { inherit pkgs; } {
      inherit
        name
        source
        workspace
        without
        ;
      select = "--package";
    };

  # The hash that Nix gives a source: another one when any of its files changes, and only then.
  hashOf = path: builtins.substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext path));
in
{
  backend = program "demo-backend";

  grafana-plugin = pkgs.runCommand "demo-grafana-plugin-${plugin.info.version}" {
    files = ../demo/grafana-plugin;
  } ''cp -r "$files" "$out"'';

  # What the images of these packages have as their revision.
  revisions = {
    backend = hashOf (import ./rust-source.nix { inherit source workspace without; }).outPath;
    grafana-plugin = hashOf "${../demo/grafana-plugin}";
  };

  # Where the package set has no Grafana; with the layout of Grafana's package.
  grafana-stand-in =
    let
      built = program "grafana-stand-in";
    in
    pkgs.runCommand "grafana-stand-in-${built.version}"
      {
        inherit built;
        home = ../demo/grafana-home;
      }
      ''
        cp -R "$built" "$out"
        chmod -R u+w "$out"
        mkdir -p "$out/share/grafana"
        cp -R "$home/." "$out/share/grafana"
      ''
    // {
      inherit (built) version;
      pname = "grafana-stand-in";
      meta.mainProgram = "grafana";
    };
}
