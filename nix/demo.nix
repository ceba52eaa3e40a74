# The default contents of the images: a small backend and a small Grafana plugin. Other flakes replace
# them by their packages (examples/consumer).
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

  # The hash of a source in its store path; it changes only with a file of the source.
  hashOf = path: builtins.substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext path));
in
{
  backend = program "demo-backend";

  grafana-plugin = pkgs.runCommand "demo-grafana-plugin-${plugin.info.version}" {
    files = ../demo/grafana-plugin;
  } ''cp -r "$files" "$out"'';

  # The revisions of the images of these packages.
  revisions = {
    backend = hashOf (import ./rust-source.nix { inherit source workspace without; }).outPath;
    grafana-plugin = hashOf "${../demo/grafana-plugin}";
  };

  # A replacement with the layout of Grafana's package, for a package set without Grafana.
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
