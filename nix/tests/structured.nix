# With structuredAttrsByDefault in nixpkgs' `config` every image is the same, byte for byte: its spec
# is made by the same derivation. (The programs that load, push and stream are not.)
let
  system = "x86_64-linux";
  plain = import ../debian { inherit system; };
  structured = import ../debian {
    inherit system;
    config.structuredAttrsByDefault = true;
  };
  flakeOn =
    pkgs:
    let
      flake = (import ../../flake.nix).outputs {
        self = flake;
        nixpkgs.legacyPackages.${system} = pkgs;
      };
    in
    flake;
  inherit (flakeOn plain) lib;
  toolsOf = set: (lib.mkLib set).dockerTools;

  # The images of the tests, of plain packages, put together by functions for the given set.
  examples =
    set:
    let
      given = {
        pkgs = plain;
        dockerTools = toolsOf set;
        foreign = {
          pkgs = plain.pkgsCross.aarch64-multiplatform;
          dockerTools = toolsOf set.pkgsCross.aarch64-multiplatform;
        };
      };
      dir = ./docker-examples;
    in
    builtins.foldl' (all: file: all // import (dir + "/${file}.nix") given) { } [
      "plain"
      "layered"
      "based"
      "with-nix"
      "accounts"
    ];
  # Of the templates those whose packages are the set's own.
  templates =
    set:
    builtins.foldl' (
      all: name:
      all
      // ((import (../../examples + "/${name}/flake.nix")).outputs {
        self = null;
        nixpkgs.legacyPackages = {
          ${system} = set;
          aarch64-linux = set.pkgsCross.aarch64-multiplatform;
        };
        cooper = { inherit lib; };
      }).packages.${system}
    ) { } [
      "from-dockertools"
      "from-nix2container"
    ];
  images = set: (lib.mkLib set).images { };

  drvPaths = builtins.mapAttrs (
    _: image: builtins.unsafeDiscardStringContext (image.spec or image).drvPath
  );
  same = name: of: {
    name = "structured attributes by default change nothing in ${name}";
    actual = drvPaths (of structured);
    expected = drvPaths (of plain);
  };
in
[
  (same "the images of the tests" examples)
  (same "the images of the templates" templates)
  (same "the images of the flake" images)
  {
    name = "the set's own commands have structured attributes then";
    actual = map (set: (set.runCommand "x" { } "").args == (plain.runCommand "x" { } "").args) [
      plain
      structured
    ];
    expected = [ true false ];
  }
]
