# The labels and the time of the images that `images` makes.
let
  pkgs = (import ../nixpkgs-attrs.nix).restrict (import ../debian { buildSystem = "x86_64-linux"; });
  package = derivation {
    name = "orders-1.0";
    system = "x86_64-linux";
    builder = "/bin/sh";
  };
  imagesOf = import ../images.nix {
    inherit pkgs;
    mkLib =
      pkgs:
      import ../lib {
        inherit pkgs;
        cooper.cooper = package;
      };
  };
  own = {
    backend = package;
    grafana = package;
    grafana-plugin = package;
  };
  specsOf = arguments: builtins.mapAttrs (_: image: image.image.spec) (imagesOf arguments);
  revisions = arguments: builtins.mapAttrs (_: spec: spec.config.Labels."org.opencontainers.image.revision" or null) (
    specsOf arguments
  );
  every = value: {
    backend-docker = value;
    grafana-with-plugin = value;
    plugin-init = value;
    prometheus-docker = value;
  };
in
[
  {
    name = "images of other packages have the caller's revision";
    actual = revisions (own // { revision = "1111222233334444"; });
    expected = every "1111222233334444";
  }
  {
    name = "... or none";
    actual = revisions own;
    expected = every null;
  }
  {
    name = "images of the demo's packages have the hash of its sources";
    actual = builtins.mapAttrs (
      _: revision: revision != null && builtins.match "[0-9a-z]{32}" revision != null
    ) (revisions { });
    expected = every true // { prometheus-docker = false; };
  }
  {
    name = "all images have the time that is given";
    actual = builtins.mapAttrs (_: spec: spec.created) (specsOf (own // { created = "20260131120102"; }));
    expected = every "2026-01-31T12:01:02Z";
  }
]
