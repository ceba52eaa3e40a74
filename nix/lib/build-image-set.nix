# buildImageSet: images that belong together. They are loaded, pushed and written to one
# layout at once, so that a layer which several of them use moves and lies there once;
# with `layering = "set"` their layers are planned together too.
{ pkgs, cooper }:
arguments:
let
  types = import ./types.nix;
  shape = types.record {
    required = [ "images" ];
    fields = {
      name = types.matching "a name of letters, digits, - and _" "[A-Za-z0-9_-]+";
      images = types.attrsOf types.set;
    };
  };
  name = arguments.name or "images";
  where = "buildImageSet";
  isImage = member: member ? image && member ? spec;

  given =
    assert shape.check where arguments;
    assert
      arguments.images != { } || types.fail "${where}.images" "the set is empty; give it images by name";
    builtins.mapAttrs (
      key: member:
      if isImage member then
        member
      else
        types.fail "${where}.images.${key}" "this must be an image that buildImage made"
    ) arguments.images;
  keys = builtins.attrNames given;

  plannedTogether = member: (member.image.spec.layering.mode or "image") == "set";
  others = key: builtins.filter (other: other != key && plannedTogether given.${other}) keys;

  # The siblings' paths become part of what a "set" image is planned by.
  planned =
    key:
    let
      member = given.${key};
    in
    if !plannedTogether member then
      member
    else
      import ./image.nix { inherit pkgs cooper; } {
        inherit (member.image) spec meta passthru;
        siblings = builtins.listToAttrs (
          map (other: {
            name = given.${other}.imageName;
            value = given.${other}.image.closure;
          }) (others key)
        );
      };
  images = builtins.mapAttrs (key: _: planned key) given;

  made = (import ./derivations.nix { inherit pkgs cooper; }).everything {
    inherit name;
    specs = map (key: images.${key}.spec) keys;
  };
in
made.layout
// {
  inherit (made) load push;
  inherit images;
  specs = map (key: images.${key}.spec) keys;
  meta.description = "The container images ${builtins.concatStringsSep ", " keys}, in one OCI layout";
}
