# What buildImageSet makes of the `layering` of its images.
let
  image = name: layering: tagged name [ "latest" ] layering;
  tagged = name: tags: layering: {
    imageName = name;
    spec = "the spec of ${name}";
    image = {
      spec = { inherit name layering tags; };
      configFragments = [ ];
      trees = [ ];
      closure = [ ];
      meta = { };
      passthru = { };
    };
  };
  setOf = images: (import ../lib (import ./fake-pkgs.nix)).buildImageSet { inherit images; };
  set = one: two: setOf { one = image "one" one; two = image "two" two; };
  together = layering: { mode = "set"; } // layering;
  planned = one: two: (builtins.mapAttrs (_: member: member.image.spec.layering) (set one two).images);
  refused = one: two: !(builtins.tryEval (builtins.deepSeq (planned one two) true)).success;
  # Two images of one name.
  sameName =
    one: two: layering:
    !(builtins.tryEval (setOf {
      one = tagged "app" one layering;
      two = tagged "app" two layering;
    }).specs).success;
  lock = [ [ "glibc" ] [ "app" ] ];
in
[
  {
    name = "images that are planned together want one layering";
    actual = [
      (refused (together { maxLayers = 40; }) (together { }))
      (refused (together { changesOften = [ "a" ]; }) (together { changesOften = [ "b" ]; }))
      (refused (together { maxLayers = 40; }) (together { maxLayers = 40; }))
    ];
    expected = [ true true false ];
  }
  {
    name = "an image that is planned by itself may have a layering of its own";
    actual = refused (together { }) { maxLayers = 40; };
    expected = false;
  }
  {
    name = "two images of a set have not the same name and tag";
    actual = [
      (sameName [ "v1" ] [ "v1" ] { })
      (sameName [ "v1" "latest" ] [ "v2" "latest" ] { })
      (sameName [ "v1" ] [ "debug" ] { })
    ];
    expected = [ true true false ];
  }
  {
    name = "… and no name twice, if they are planned together";
    actual = sameName [ "v1" ] [ "debug" ] (together { });
    expected = true;
  }
  {
    name = "a set dates its images, but for those that have a date";
    actual =
      let
        undated = image "one" (together { });
        dated = image "two" (together { });
        set = (import ../lib (import ./fake-pkgs.nix)).buildImageSet {
          created = "20260131120102";
          images = {
            one = undated;
            alone = image "alone" { };
            two = dated // {
              image = dated.image // {
                spec = dated.image.spec // { created = "2020-01-01T00:00:00Z"; };
              };
            };
          };
        };
      in
      builtins.mapAttrs (_: member: member.image.spec.created) set.images;
    expected = {
      one = "2026-01-31T12:01:02Z";
      alone = "2026-01-31T12:01:02Z";
      two = "2020-01-01T00:00:00Z";
    };
  }
  {
    name = "a set is not dated by the time of the build";
    actual =
      (builtins.tryEval
        ((import ../lib (import ./fake-pkgs.nix)).buildImageSet {
          created = "now";
          images.one = image "one" { };
        }).specs
      ).success;
    expected = false;
  }
  {
    name = "an image that is new in a set goes by the lock of the others";
    actual = builtins.attrValues (planned (together { inherit lock; }) (together { lock = [ ]; }));
    expected = [ (together { inherit lock; }) (together { inherit lock; }) ];
  }
]
