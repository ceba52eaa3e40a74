# buildImage: one image out of packages, files and an OCI config. The result is a
# derivation whose output is the image as an archive; README.md says what it carries.
{ pkgs, cooper }:
arguments: attributes:
let
  inherit (import ./types.nix) throwUnlessValid;
  shown =
    if builtins.isAttrs arguments && builtins.isString (arguments.name or null) then
      "the image ${builtins.toJSON arguments.name}"
    else
      "an image";
in
assert throwUnlessValid shown ((import ./arguments.nix).image.check "" arguments);
import ./image.nix { inherit pkgs cooper; } {
  spec = import ./spec.nix { inherit pkgs cooper; } arguments;
  configFragments = map (item: "${item}") (arguments.configFragments or [ ]);
  trees = [ ];
  siblings = { };
  meta = arguments.meta or { };
  passthru = arguments.passthru or { };
  inherit attributes;
}
