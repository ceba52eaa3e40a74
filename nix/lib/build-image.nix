# buildImage: an image of packages, files and an OCI config. The result is a derivation whose output
# is an archive; README.md lists its attributes.
{ pkgs, cooper }:
arguments: attributes:
let
  inherit (import ./types.nix) throwUnlessValid;
  label =
    if builtins.isAttrs arguments && builtins.isString (arguments.name or null) then
      "the image ${builtins.toJSON arguments.name}"
    else
      "an image";
in
assert throwUnlessValid label ((import ./arguments.nix).image.check "" arguments);
import ./image.nix { inherit pkgs cooper; } {
  spec = import ./spec.nix { inherit pkgs cooper; } arguments;
  configFragments = map (item: "${item}") (arguments.configFragments or [ ]);
  trees = [ ];
  siblings = { };
  meta = arguments.meta or { };
  passthru = arguments.passthru or { };
  inherit attributes;
}
