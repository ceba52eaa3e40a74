# mergeImages: several images in one archive for `docker load`.
{ pkgs, cooper }:
{ images }:
attributes:
let
  types = import ../types.nix;
  given =
    assert types.throwUnlessValid "mergeImages" (
      (types.listOf (import ../image-type.nix)).check "images" images
      ++ (if images == [ ] then types.problem "images" "the list is empty" else [ ])
    );
    assert types.throwUnlessValid "mergeImages" (
      import ../assert-unique-names.nix (
        builtins.genList (at: {
          where = "images[${toString at}]";
          image = builtins.elemAt images at;
          inPlan = false;
        }) (builtins.length images)
      )
    );
    images;
  made = (import ../derivations.nix { inherit pkgs cooper; }).imageOutputs {
    name = "merged-images";
    inherit attributes;
    specs = map (member: member.spec) given;
  };
in
made.archive
// attributes.passthru or { }
// {
  inherit (made) layout load push;
  images = given;
  meta = {
    description = "The container images ${builtins.concatStringsSep ", " (map (image: image.imageName) given)}, in one archive";
  }
  // attributes.meta or { };
}
