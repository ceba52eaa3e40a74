# Each example is a template, and each template an example, which nix/checks.nix builds.
let
  flake = (import ../../flake.nix).outputs {
    self = { };
    nixpkgs.legacyPackages = { };
  };
  system = "x86_64-linux";
  nixpkgs.legacyPackages = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = import ../debian { system = name; };
    }) [
      "aarch64-linux"
      system
    ]
  );
  onDebian = (import ../../flake.nix).outputs {
    self = onDebian;
    inherit nixpkgs;
  };
  example =
    name:
    (import (../../examples + "/${name}/flake.nix")).outputs {
      self = null;
      inherit nixpkgs;
      cooper = onDebian;
    };
  exampleNames = import ../example-names.nix;
  names = builtins.attrNames flake.templates;
  has = part: text: builtins.replaceStrings [ part ] [ "" ] text != text;
  # The command in the example's README.
  command =
    name: "nix flake init -t github:betracehq/cooper" + (if name == "default" then "`" else "#${name}`");
in
[
  {
    name = "the templates are the examples";
    actual = builtins.sort (a: b: a < b) (map (name: baseNameOf flake.templates.${name}.path) names);
    expected = exampleNames;
  }
  {
    name = "each app of the flake and of the templates says in `meta` what it does";
    actual = builtins.filter (app: builtins.match ".+" (app.meta.description or "") == null) (
      builtins.concatMap builtins.attrValues (map (outputs: outputs.apps.${system} or { }) (
        [ onDebian ] ++ map (name: example name) exampleNames
      ))
    );
    expected = [ ];
  }
]
++ map (name: {
  name = "the README of the template ${name} says how to get it";
  actual = has (command name) (builtins.readFile (flake.templates.${name}.path + "/README.md"));
  expected = true;
}) names
