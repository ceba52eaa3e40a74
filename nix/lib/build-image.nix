# buildImage: one image out of packages, files and an OCI config. The result is a
# derivation whose output is the image as an archive; README.md says what it carries.
{ pkgs, cooper }:
arguments:
let
  types = import ./types.nix;
  where = "buildImage ${
    if builtins.isAttrs arguments && builtins.isString (arguments.name or null) then
      builtins.toJSON arguments.name
    else
      "(without a name)"
  }";
  checked =
    (import ./arguments.nix).image.check where arguments
    && (!(arguments ? tag && arguments ? tags) || types.fail where "give either `tag` or `tags`, and not both")
    && ((arguments.tags or [ 1 ]) != [ ] || types.fail where "`tags` is empty; an image has one at least");

  spec =
    assert checked;
    import ./spec.nix { inherit pkgs; } arguments;
in
import ./image.nix { inherit pkgs cooper; } {
  inherit spec;
  siblings = { };
  meta = arguments.meta or { };
  passthru = arguments.passthru or { };
}
