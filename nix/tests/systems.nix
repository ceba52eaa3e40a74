# Package sets of every kind that mkLib is called with: what images of them are for, and what is
# refused.
let
  flake = (import ../../flake.nix).outputs {
    self = flake;
    nixpkgs.legacyPackages = builtins.listToAttrs (
      map (system: {
        name = system;
        value = import ../debian { inherit system; };
      }) systems
    );
  };
  systems = [
    "aarch64-linux"
    "x86_64-linux"
  ];
  inherit (flake.lib) mkLib;
  pkgs = import ../debian { system = "x86_64-linux"; };

  image =
    set:
    (mkLib set).buildImage {
      name = "app";
      contents = [ set.bashInteractive ];
      config.Healthcheck.Test = [ "CMD" "/bin/bash" ];
    };
  # Of all images of the flake, as far as the set's packages can be built at all.
  evaluates =
    set:
    builtins.mapAttrs (
      _: image: (builtins.tryEval (builtins.seq image.drvPath true)).success
    ) ((mkLib set).images { });
  all = {
    backend-docker = true;
    grafana-with-plugin = true;
    plugin-init = true;
    prometheus-docker = true;
  };
  architecture = set: (image set).image.spec.platform.architecture;
  coreOf = set: builtins.head (builtins.match "/nix/store/([^/]*)/.*" (image set).spec.builder);
  built = system: pkgs // {
    stdenv = pkgs.stdenv // {
      buildPlatform = { inherit system; };
    };
  };
  refused = set: !(builtins.tryEval (image set).drvPath).success;

  plain = builtins.unsafeDiscardStringContext;
  healthprobe = set: (import ../programs.nix { pkgs = set; }).healthprobe;
in
[
  {
    name = "images are for the platform of their packages";
    actual = map architecture [
      pkgs
      pkgs.pkgsMusl
      pkgs.pkgsi686Linux
      pkgs.pkgsCross.aarch64-multiplatform
      pkgs.pkgsCross.gnu64
    ];
    expected = [ "amd64" "amd64" "386" "arm64" "amd64" ];
  }
  {
    name = "the images of the flake evaluate with packages of musl and of i686";
    actual = map evaluates [
      pkgs
      pkgs.pkgsMusl
      pkgs.pkgsi686Linux
    ];
    expected = [ all all all ];
  }
  {
    name = "packages for i686 are put together by the programs of x86_64";
    actual = coreOf pkgs.pkgsi686Linux;
    expected = coreOf pkgs;
  }
  {
    name = "machines that the flake has no cooper for are refused";
    actual = map refused [
      (built "riscv64-linux")
      (built "aarch64-darwin")
      (built "i686-linux")
    ];
    expected = [ true true false ];
  }
  {
    name = "a static program gets glibc's archives where the library is glibc, and no other";
    actual = map (set: map plain (healthprobe set).buildInputs) [ pkgs pkgs.pkgsMusl ];
    expected = [ [ (plain "${pkgs.glibc.static}") ] [ ] ];
  }
  {
    name = "packages of a cross set have the platform in their names, and what needs no compiler has not";
    actual = map (package: package.name) (
      let
        cross = pkgs.pkgsCross.aarch64-multiplatform;
      in
      [
        cross.prometheus
        cross.cacert
        cross.busybox-sandbox-shell
        cross.debianPackages.libc6
        (cross.runCommand "x-1.0" { } "")
        (cross.buildPackages.writeShellScriptBin "tool" "")
        cross.buildPackages.jq
        pkgs.pkgsCross.gnu64.cacert
      ]
    );
    expected = [
      "prometheus-env-aarch64-unknown-linux-gnu-${pkgs.pkgsCross.aarch64-multiplatform.prometheus.version}"
      "cacert-aarch64-unknown-linux-gnu-${pkgs.cacert.version}"
      "static-shell-aarch64-unknown-linux-gnu-${pkgs.busybox-sandbox-shell.version}"
      "libc6-aarch64-unknown-linux-gnu-${pkgs.debianPackages.libc6.version}"
      "x-1.0"
      "tool"
      "jq-${pkgs.jq.version}"
      "cacert-${pkgs.cacert.version}"
    ];
  }
  {
    name = "the first output of a package need not be `out`";
    actual = map (package: plain "${package}" == plain package.bin.outPath) [
      pkgs.buildPackages.jq
      pkgs.buildPackages.sqlite
    ];
    expected = [ true true ];
  }
]
