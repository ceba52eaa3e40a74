# dockerTools: the functions of nixpkgs' dockerTools with the same names and arguments, so that a flake
# migrates with one line: `dockerTools = (cooper.lib.mkLib pkgs).dockerTools;`. ../README.md has a
# table of the differences, README.md the file of each function.
{ pkgs, cooper }:
let
  make = import ./make-image.nix { inherit pkgs cooper; };
  overridable =
    function: make:
    import ../overridable.nix {
      inherit function make;
      inherit ((import ./arguments.nix).${function}) names;
    };
  streamLayeredImage = overridable "streamLayeredImage" (
    import ./stream-layered-image.nix { inherit pkgs make; }
  );
  buildLayeredImage = overridable "buildLayeredImage" (
    import ./build-layered-image.nix { inherit make streamLayeredImage; }
  );
  buildImage = overridable "buildImage" (import ./build-image.nix { inherit make; });
  mergeImages = import ../overridable.nix {
    function = "mergeImages";
    names = [ ];
    make = import ./merge-images.nix { inherit pkgs cooper; };
  };
  withNixDb = function: arguments: function (arguments // { includeNixDB = true; });
  shell = "the environment of a derivation is for building a package; add the tools to `contents` of buildLayeredImage";
  unsupported = name: instead: _: throw "cooper: dockerTools.${name} is not supported: ${instead}";
in
{
  inherit buildImage buildLayeredImage streamLayeredImage;
  buildLayeredImageWithNixDb = withNixDb buildLayeredImage;
  buildImageWithNixDb = withNixDb buildImage;
  exportImage = unsupported "exportImage" "cooper does not unpack images; use `docker export`, or `umoci unpack` of the image's `layout`";
  buildNixShellImage = unsupported "buildNixShellImage" shell;
  streamNixShellImage = unsupported "streamNixShellImage" shell;
  # As in nixpkgs, the results have only `overrideAttrs`.
  mergeImages = images: builtins.removeAttrs (mergeImages { inherit images; }) [ "override" ];
  pullImage = import ./pull-image.nix { inherit pkgs cooper; };

  fakeNss = import ./fake-nss.nix { inherit pkgs; };
  caCertificates = import ./ca-certificates.nix { inherit pkgs; };
  binSh = import ./bin-sh.nix { inherit pkgs; };
  shadowSetup = import ./shadow-setup.nix { inherit pkgs; };
  usrBinEnv = import ./usr-bin-env.nix { inherit pkgs; };
}
