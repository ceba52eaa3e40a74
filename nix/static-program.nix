# Arguments of buildRustPackage, apart from RUSTFLAGS, for a program that is linked statically and
# that images hold without a C library.
#
# glibc's archives name the store path of their glibc (for gconv, locales and getconf, which the
# programs do not use). A program with that name in it refers to glibc, and its images hold the
# library and everything that it needs.
{ pkgs }:
let
  # musl has its archives in the same output as its library; no other libc needs those of glibc.
  isGlibc = pkgs.stdenv.hostPlatform.libc == "glibc";
in
{
  buildInputs = if isGlibc then [ pkgs.glibc.static ] else [ ];
  nativeBuildInputs = [ pkgs.buildPackages.removeReferencesTo ];
  # cargo's own `strip` is switched off by nixpkgs.
  stripAllList = [ "bin" ];
  postFixup = if isGlibc then ''remove-references-to -t ${pkgs.glibc.out} "$out"/bin/*'' else "";
  # Else the build fails.
  allowedReferences = [ ];
}
