# The type of an argument that is an image: what buildImage gives.
let
  types = import ./types.nix;
in
rec {
  expects = "an image that buildImage or cooper's dockerTools made; a finished archive is none";
  check =
    where: value:
    if builtins.isAttrs value && value ? image && value ? spec then
      [ ]
    else
      types.problem where "this must be ${expects}";
}
