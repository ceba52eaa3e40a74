# Gives an image the `created` of its set or index, unless it has one.
{ pkgs, cooper }:
created: image:
if created == null || image.image.spec ? created then
  image
else
  import ./image.nix { inherit pkgs cooper; } {
    inherit (image.image)
      configFragments
      trees
      meta
      passthru
      ;
    attributes = image.image.attributes or { };
    siblings = image.image.siblings or { };
    spec = image.image.spec // {
      created = import ./time.nix created;
    };
  }
