# What keeps images from being in one archive, layout or plan: the first two have one image a name
# and tag, a plan has one a name. `members` are `{ where; image; together; }`, the last one whether
# the image is planned with the others.
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
      problem "it is called `${imageName}:${builtins.head common}`, as `${one.where}` is; give one of them another `name` or `tag`"
    else if one.together && two.together then
      problem "it is called `${imageName}`, as `${one.where}` is, and images are planned together by their names; give one of them another `name`, or a `layering.mode` of \"image\""
    else
      [ ];
in
builtins.concatLists (
  builtins.genList (
    second: builtins.concatLists (builtins.genList (first: ofPair (at first) (at second)) second)
  ) (builtins.length members)
)
