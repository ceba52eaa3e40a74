# buildImageIndex: images for several platforms under one name. A client that pulls the name gets the
# image for its platform.
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

  # Problems between the images, evaluated after the check of each image.
  problems =
    if images == { } then
      types.problem "images" "the set is empty; write `images = { amd64 = …; arm64 = …; };`"
    else
      builtins.concatMap (
        key:
        let
          image = images.${key};
          duplicate = builtins.filter (other: other < key && platformOf other == platformOf key) keys;
        in
        (
          if image.imageName != first.imageName then
            types.problem "images.${key}" "its name is `${image.imageName}`, and that of `images.${builtins.head keys}` is `${first.imageName}`; all images of an index need the same name"
          else
            [ ]
        )
        ++ (
          if duplicate != [ ] then
            types.problem "images.${key}" "its platform is ${platformOf key}, like that of `images.${builtins.head duplicate}`; use packages for another platform, or set `platform`"
          else
            [ ]
        )
      ) keys;
  isValid =
    types.throwUnlessValid "an image index" (shape.check "" arguments) && types.throwUnlessValid "an image index" problems;

  outputs = (import ./derivations.nix { inherit pkgs cooper; }).index {
    name = baseNameOf first.imageName;
    inherit attributes;
    specs = map (key: images.${key}.spec) keys;
  };
in
assert isValid;
outputs.archive
// attributes.passthru or { }
// {
  inherit (outputs) layout push;
  inherit images;
  imageName = first.imageName;
  imageTag = first.imageTag;
  specs = map (key: images.${key}.spec) keys;
  meta = {
    description = "The container image ${first.imageName} for ${builtins.concatStringsSep ", " (map platformOf keys)}";
  }
  // attributes.meta or { };
}
