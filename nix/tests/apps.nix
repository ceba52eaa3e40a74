# `nix run .#NAME` starts the app of that name, and what is none as a program.
let
  system = "x86_64-linux";
  outputs = (import ../../flake.nix).outputs {
    self = outputs;
    nixpkgs.legacyPackages.${system} = import ../debian { buildSystem = system; };
  };
  packages = outputs.packages.${system};
  apps = outputs.apps.${system};
  images = builtins.filter (name: packages.${name} ? load) (builtins.attrNames packages);
  loads =
    name:
    let
      inherit (packages.${name}) load;
    in
    "${load}/bin/${load.meta.mainProgram}";
in
[
  {
    name = "the flake has images";
    actual = builtins.elem "backend-docker" images;
    expected = true;
  }
  {
    name = "on a Mac all apps say how images are built";
    actual = builtins.attrNames outputs.apps.aarch64-darwin;
    expected = builtins.attrNames apps;
  }
]
++ map (name: {
  name = "`nix run .#${name}` loads the image";
  actual = apps.${name}.program or null;
  expected = loads name;
}) images
