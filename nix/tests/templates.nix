# Each example is a template, and each template an example, which nix/checks.nix builds.
let
  flake = (import ../../flake.nix).outputs {
    self = { };
    nixpkgs.legacyPackages = { };
  };
  names = builtins.attrNames flake.templates;
  has = words: text: builtins.replaceStrings [ words ] [ "" ] text != text;
  # What people type, as the example's README says it.
  command =
    name: "nix flake init -t github:betracehq/cooper" + (if name == "default" then "`" else "#${name}`");
in
[
  {
    name = "the templates are the examples";
    actual = builtins.sort (a: b: a < b) (map (name: baseNameOf flake.templates.${name}.path) names);
    expected = builtins.attrNames (builtins.readDir ../examples);
  }
]
++ map (name: {
  name = "the README of the template ${name} says how to get it";
  actual = has (command name) (builtins.readFile (flake.templates.${name}.path + "/README.md"));
  expected = true;
}) names
