# The type of an argument that is an image.
let
  types = import ./types.nix;
in
rec {
  expects = "an image of buildImage or of cooper's dockerTools, not an archive";
  check =
    where: value:
    if builtins.isAttrs value && value ? image && value ? spec then
      [ ]
    else
      types.problem where "this must be ${expects}";
}
