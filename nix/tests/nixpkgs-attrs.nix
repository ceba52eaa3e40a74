# The second package set has every attribute that the flake uses of nixpkgs, as the same
# kind of thing.
let
  nixpkgsAttrs = import ../nixpkgs-attrs.nix;
  kindOf =
    value:
    if builtins.isAttrs value && value ? outPath then "package" else builtins.typeOf value;
  kinds = {
    mkShell = "lambda";
    runCommand = "lambda";
    "buildPackages.writeShellScriptBin" = "lambda";
    "rustPlatform.buildRustPackage" = "lambda";
    "stdenv.buildPlatform.system" = "string";
    "stdenv.hostPlatform.libc" = "string";
    "stdenv.hostPlatform.system" = "string";
  };
  onSystem =
    system:
    let
      pkgs = import ../debian { buildSystem = system; };
    in
    map (path: {
      name = "nix/debian on ${system} has ${path}";
      actual = kindOf (nixpkgsAttrs.get pkgs path);
      expected = kinds.${path} or "package";
    }) nixpkgsAttrs.paths;
in
onSystem "x86_64-linux" ++ onSystem "aarch64-linux"
