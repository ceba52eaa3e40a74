# What buildImageIndex says of images that do not go together.
let
  image = imageName: architecture: {
    inherit imageName;
    imageTag = "v1";
    spec = "the spec for ${architecture}";
    image.spec.platform = {
      os = "linux";
      inherit architecture;
    };
    image.spec.name = imageName;
    image.spec.tags = [ "v1" ];
    image.configFragments = [ ];
    image.trees = [ ];
    image.meta = { };
    image.passthru = { };
  };
  index = images: (import ../lib (import ./fake-pkgs.nix)).buildImageIndex { inherit images; };
  refused = images: !(builtins.tryEval (index images).imageName).success;
in
[
  {
    name = "an index has one name, and each platform once";
    actual = map refused [
      { one = image "app" "amd64"; two = image "other" "arm64"; }
      { one = image "app" "amd64"; two = image "app" "amd64"; }
      { }
      { one = "an archive"; }
      { one = image "app" "amd64"; two = image "app" "arm64"; }
    ];
    expected = [ true true true true false ];
  }
  {
    name = "an index dates its images";
    actual = map (one: one.image.spec.created) (
      builtins.attrValues
        ((import ../lib (import ./fake-pkgs.nix)).buildImageIndex {
          created = "2026-01-31";
          images = { one = image "app" "amd64"; two = image "app" "arm64"; };
        }).images
    );
    expected = [ "2026-01-31T00:00:00Z" "2026-01-31T00:00:00Z" ];
  }
]
