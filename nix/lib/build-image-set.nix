# buildImageSet: images that belong together. They are loaded, pushed and written to one
# layout at once, so that a layer which several of them use moves and lies there once;
# with `layering = "set"` their layers are planned together too.
{ pkgs, cooper }:
arguments: attributes:
let
  types = import ./types.nix;
  shape = types.record {
    required = [ "images" ];
    fields = {
      name = types.strMatching "a name of letters, digits, - and _" "[A-Za-z0-9_-]+";
      created = types.timestamp;
      images = types.attrsOf (import ./image-type.nix);
    };
  };
  given =
    assert types.throwUnlessValid "an image set" (
      shape.check "" arguments
      ++ (if (arguments.images or null) == { } then types.problem "images" "the set is empty" else [ ])
    );
    assert types.throwUnlessValid "an image set" (
      import ./assert-unique-names.nix (
        map (key: {
          where = "images.${key}";
          image = arguments.images.${key};
          together = plannedTogether arguments.images.${key};
        }) (builtins.attrNames arguments.images)
      )
    );
    builtins.mapAttrs (_: import ./with-created.nix { inherit pkgs cooper; } (arguments.created or null)) arguments.images;
  name = arguments.name or "images";
  keys = builtins.attrNames given;

  plannedTogether = member: (member.image.spec.layering.mode or "image") == "set";
  others = key: builtins.filter (other: other != key && plannedTogether given.${other}) keys;

  together = builtins.filter (key: plannedTogether given.${key}) keys;
  layeringOf = key: given.${key}.image.spec.layering;

  # Each image is planned with its own `layering` for all of them: were it another, the layers
  # that they share would be others too.
  first = builtins.head together;
  unlike = builtins.filter (
    key: builtins.removeAttrs (layeringOf key) [ "lock" ] != builtins.removeAttrs (layeringOf first) [ "lock" ]
  ) together;
  differing =
    key:
    let
      both = layeringOf first // layeringOf key;
      differs = name: (layeringOf first).${name} or null != (layeringOf key).${name} or null;
    in
    builtins.filter (name: name != "lock" && differs name) (builtins.attrNames both);
  agreed = types.throwUnlessValid "an image set" (
    builtins.concatMap (
      key:
      types.problem "images.${key}" "its `layering` is not that of `images.${first}` (${builtins.concatStringsSep ", " (differing key)}), and they are planned together; write it once, `let layering = { … }; in`, and give it to each image of the set"
    ) unlike
  );
  # An image that is new in the set is not in the lock yet, and goes by that of the others.
  lock = builtins.foldl' (
    longest: key:
    let
      own = (layeringOf key).lock or [ ];
    in
    if builtins.length own > builtins.length longest then own else longest
  ) [ ] together;

  # The siblings' paths become part of what a "set" image is planned by.
  planned =
    key:
    let
      member = given.${key};
    in
    if !plannedTogether member then
      member
    else
      assert agreed;
      import ./image.nix { inherit pkgs cooper; } {
        inherit (member.image)
          configFragments
          trees
          meta
          passthru
          ;
        attributes = member.image.attributes or { };
        spec = member.image.spec // {
          layering = layeringOf key // (if lock == [ ] then { } else { inherit lock; });
        };
        siblings = builtins.listToAttrs (
          map (other: {
            name = given.${other}.imageName;
            value = given.${other}.image.closure;
          }) (others key)
        );
      };
  images = builtins.mapAttrs (key: _: planned key) given;

  made = (import ./derivations.nix { inherit pkgs cooper; }).imageOutputs {
    inherit name;
    layoutAttributes = attributes;
    specs = map (key: images.${key}.spec) keys;
  };
in
made.layout
// attributes.passthru or { }
// {
  inherit (made) load push;
  inherit images;
  specs = map (key: images.${key}.spec) keys;
  meta = {
    description = "The container images ${builtins.concatStringsSep ", " keys}, in one OCI layout";
  }
  // attributes.meta or { };
}
