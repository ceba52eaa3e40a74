# buildImageIndex: one image for several platforms under one name. A client that pulls it gets
# the image for its own.
{ pkgs, cooper }:
arguments: attributes:
let
  types = import ./types.nix;
  shape = types.record {
    required = [ "images" ];
    fields = {
      images = types.attrsOf (import ./image-type.nix);
      created = types.timestamp;
    };
  };
  images = builtins.mapAttrs (_: import ./with-created.nix { inherit pkgs cooper; } (
    arguments.created or null
  )) arguments.images;
  keys = builtins.attrNames images;
  first = images.${builtins.head keys};
  platformOf =
    key:
    let
      platform = { variant = null; } // images.${key}.image.spec.platform;
    in
    "${platform.os}/${platform.architecture}${if platform.variant == null then "" else "/${platform.variant}"}";

  # What the images say of each other; asked only once each is one.
  problems =
    if images == { } then
      types.problem "images" "there is none; write `images = { amd64 = …; arm64 = …; };`"
    else
      builtins.concatMap (
        key:
        let
          image = images.${key};
          twin = builtins.filter (other: other < key && platformOf other == platformOf key) keys;
        in
        (
          if image.imageName != first.imageName then
            types.problem "images.${key}" "it is called `${image.imageName}`, and `images.${builtins.head keys}` `${first.imageName}`; an index has one name"
          else
            [ ]
        )
        ++ (
          if twin != [ ] then
            types.problem "images.${key}" "it is for ${platformOf key}, as `images.${builtins.head twin}` is; make it with the packages or the `platform` of another"
          else
            [ ]
        )
      ) keys;
  fine =
    types.throwUnlessValid "an image index" (shape.check "" arguments) && types.throwUnlessValid "an image index" problems;

  made = (import ./derivations.nix { inherit pkgs cooper; }).index {
    name = baseNameOf first.imageName;
    inherit attributes;
    specs = map (key: images.${key}.spec) keys;
  };
in
assert fine;
made.archive
// attributes.passthru or { }
// {
  inherit (made) layout push;
  inherit images;
  imageName = first.imageName;
  imageTag = first.imageTag;
  specs = map (key: images.${key}.spec) keys;
  meta = {
    description = "The container image ${first.imageName} for ${builtins.concatStringsSep ", " (map platformOf keys)}";
  }
  // attributes.meta or { };
}
