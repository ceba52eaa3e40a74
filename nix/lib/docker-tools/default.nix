# dockerTools: nixpkgs' functions under their own names, with their own arguments, so that
# a flake gets cooper by one line: `dockerTools = (cooper.lib.mkLib pkgs).dockerTools;`.
# ../README.md has the table of what is the same and what differs.
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
  shell = "a derivation's environment builds a package and is not what ships; name the tools in `contents` of buildLayeredImage";
  unsupported = name: instead: _: throw "cooper: dockerTools.${name} is not there: ${instead}";
in
{
  inherit buildImage buildLayeredImage streamLayeredImage;
  buildLayeredImageWithNixDb = withNixDb buildLayeredImage;
  buildImageWithNixDb = withNixDb buildImage;
  exportImage = unsupported "exportImage" "nothing is unpacked here; `docker export`, or `umoci unpack` of the image's `layout`, gives its files";
  buildNixShellImage = unsupported "buildNixShellImage" shell;
  streamNixShellImage = unsupported "streamNixShellImage" shell;
  # Its results have `overrideAttrs` alone, as in nixpkgs.
  mergeImages = images: builtins.removeAttrs (mergeImages { inherit images; }) [ "override" ];
  pullImage = import ./pull-image.nix { inherit pkgs cooper; };

  fakeNss = import ./fake-nss.nix { inherit pkgs; };
  caCertificates = import ./ca-certificates.nix { inherit pkgs; };
  binSh = import ./bin-sh.nix { inherit pkgs; };
  shadowSetup = import ./shadow-setup.nix { inherit pkgs; };
  usrBinEnv = import ./usr-bin-env.nix { inherit pkgs; };
}
