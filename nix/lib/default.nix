# mkLib: the functions that build images, one file each. README.md has every argument.
#
# `pkgs` is the package set for the contents of images (nixpkgs, or nix/debian). `cooper` is the set
# of this flake's packages for the machine that builds.
{ pkgs, cooper }:
let
  overridable = function: names: file: import ./overridable.nix {
    inherit function names;
    make = import file { inherit pkgs cooper; };
  };
in
{
  buildImage = overridable "buildImage" (import ./arguments.nix).image.names ./build-image.nix;
  buildImageSet = overridable "buildImageSet" [ "created" "images" ] ./build-image-set.nix;
  buildImageIndex = overridable "buildImageIndex" [ "created" "images" ] ./build-image-index.nix;
  dockerTools = import ./docker-tools { inherit pkgs cooper; };
}
