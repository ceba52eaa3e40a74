# mkLib: what a flake calls to make images. One public function a file; README.md has
# every argument.
#
# `pkgs` is the package set whose programs go into images (nixpkgs, or nix/debian);
# `cooper` the packages of the machine that builds: `cooper-core` assembles, `cooper`
# is what people run.
{ pkgs, cooper }:
{
  buildImage = import ./build-image.nix { inherit pkgs cooper; };
  buildImageSet = import ./build-image-set.nix { inherit pkgs cooper; };
  dockerTools = import ./docker-tools { inherit pkgs cooper; };
}
