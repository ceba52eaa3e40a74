# buildImageSet: images that belong together. They are loaded, pushed and written to one
# layout at once, so that a layer which several of them use moves and lies there once;
# with `layering = "set"` their layers are planned together too.
{ pkgs, cooper }:
arguments:
let
  types = import ./types.nix;
  image = {
    expects = "an image that buildImage made";
    check =
      where: value:
      if builtins.isAttrs value && value ? image && value ? spec then
        [ ]
      else
        types.problem where "this must be ${image.expects}";
  };
  shape = types.record {
    required = [ "images" ];
    fields = {
      name = types.matching "a name of letters, digits, - and _" "[A-Za-z0-9_-]+";
      images = types.attrsOf image;
    };
  };
  given =
    assert types.insist "an image set" (
      shape.check "" arguments
      ++ (if (arguments.images or null) == { } then types.problem "images" "the set is empty" else [ ])
    );
    arguments.images;
  name = arguments.name or "images";
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
        inherit (member.image)
          spec
          configFragments
          trees
          meta
          passthru
          ;
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
