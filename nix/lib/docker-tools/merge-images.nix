# mergeImages: several images in one archive, which `docker load` takes at once.
{ pkgs, cooper }:
images:
let
  types = import ../types.nix;
  image = {
    expects = "an image that these dockerTools or buildImage made: cooper writes the archive anew from what they are made of, and a finished archive has nothing of that";
    check =
      where: value:
      if builtins.isAttrs value && value ? image && value ? spec then
        [ ]
      else
        types.problem where "this must be ${image.expects}";
  };
  given =
    assert types.insist "mergeImages" (
      (types.listOf image).check "images" images
      ++ (if images == [ ] then types.problem "images" "the list is empty" else [ ])
    );
    images;
  made = (import ../derivations.nix { inherit pkgs cooper; }).everything {
    name = "merged-images";
    specs = map (member: member.spec) given;
  };
in
made.archive
// {
  inherit (made) layout load push;
  images = given;
}
