# buildImageSet: several images that are loaded, pushed and written to a layout together, so that a
# layer that several of them use is stored and sent once. With `layering = "set"` their layers are
# planned together too.
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
  members =
    assert types.throwUnlessValid "an image set" (
      shape.check "" arguments
      ++ (if (arguments.images or null) == { } then types.problem "images" "the set is empty" else [ ])
    );
    assert types.throwUnlessValid "an image set" (
      import ./assert-unique-names.nix (
        map (key: {
          where = "images.${key}";
          image = arguments.images.${key};
          inPlan = isPlannedInSet arguments.images.${key};
        }) (builtins.attrNames arguments.images)
      )
    );
    builtins.mapAttrs (_: import ./with-created.nix { inherit pkgs cooper; } (arguments.created or null)) arguments.images;
  name = arguments.name or "images";
  keys = builtins.attrNames members;

  isPlannedInSet = member: (member.image.spec.layering.mode or "image") == "set";
  others = key: builtins.filter (other: other != key && isPlannedInSet members.${other}) keys;

  inSet = builtins.filter (key: isPlannedInSet members.${key}) keys;
  layeringOf = key: members.${key}.image.spec.layering;

  # Each image is planned with its own `layering` for all of them. With different settings the images
  # would share fewer layers.
  first = builtins.head inSet;
  mismatched = builtins.filter (
    key: builtins.removeAttrs (layeringOf key) [ "lock" ] != builtins.removeAttrs (layeringOf first) [ "lock" ]
  ) inSet;
  differences =
    key:
    let
      both = layeringOf first // layeringOf key;
      isDifferent = name: (layeringOf first).${name} or null != (layeringOf key).${name} or null;
    in
    builtins.filter (name: name != "lock" && isDifferent name) (builtins.attrNames both);
  layeringIsEqual = types.throwUnlessValid "an image set" (
    builtins.concatMap (
      key:
      types.problem "images.${key}" "its `layering` differs from that of `images.${first}` in ${builtins.concatStringsSep ", " (differences key)}; images that are planned together need the same one: write `let layering = { … }; in` and use it for each image of the set"
    ) mismatched
  );
  # An image that is new in the set is not in the lock yet; it uses the entry of the others.
  lock = builtins.foldl' (
    longest: key:
    let
      own = (layeringOf key).lock or [ ];
    in
    if builtins.length own > builtins.length longest then own else longest
  ) [ ] inSet;

  # The store paths of the siblings are part of the plan of each image.
  planInSet =
    key:
    let
      member = members.${key};
    in
    if !isPlannedInSet member then
      member
    else
      assert layeringIsEqual;
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
            name = members.${other}.imageName;
            value = members.${other}.image.closure;
          }) (others key)
        );
      };
  images = builtins.mapAttrs (key: _: planInSet key) members;

  outputs = (import ./derivations.nix { inherit pkgs cooper; }).imageOutputs {
    inherit name;
    layoutAttributes = attributes;
    specs = map (key: images.${key}.spec) keys;
  };
in
outputs.layout
// attributes.passthru or { }
// {
  inherit (outputs) load push;
  inherit images;
  specs = map (key: images.${key}.spec) keys;
  meta = {
    description = "The container images ${builtins.concatStringsSep ", " keys}, in one OCI layout";
  }
  // attributes.meta or { };
}
