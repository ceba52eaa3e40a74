# The conflicts of names between images of one archive, layout or plan: in an archive or a layout,
# name and tag are unique; in a plan, the name is. `members` is a list of `{ where; image; inPlan; }`;
# `inPlan` is true if the image is planned together with others.
members:
let
  types = import ./types.nix;
  at = builtins.elemAt members;
  ofPair =
    one: two:
    let
      inherit (two.image) imageName;
      common = builtins.filter (tag: builtins.elem tag one.image.image.spec.tags) two.image.image.spec.tags;
      problem = types.problem two.where;
    in
    if one.image.imageName != imageName then
      [ ]
    else if common != [ ] then
      problem "`${one.where}` has the same name and tag, `${imageName}:${builtins.head common}`; give one of them another `name` or `tag`"
    else if one.inPlan && two.inPlan then
      problem "`${one.where}` has the same name, `${imageName}`, and images that are planned together need different names; give one of them another `name`, or set its `layering.mode` to \"image\""
    else
      [ ];
in
builtins.concatLists (
  builtins.genList (
    second: builtins.concatLists (builtins.genList (first: ofPair (at first) (at second)) second)
  ) (builtins.length members)
)
