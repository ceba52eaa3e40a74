# Results are changed as nixpkgs' are, by `override` and `overrideAttrs`; and so are the packages of
# nix/debian, that code which counts on it is tried there.
let
  system = "x86_64-linux";
  pkgs = import ../debian { inherit system; };
  flake = (import ../../flake.nix).outputs {
    self = flake;
    nixpkgs.legacyPackages.${system} = pkgs;
  };
  lib = flake.lib.mkLib pkgs;
  inherit (lib) dockerTools;
  nixpkgs = import ./nixpkgs-docker-tools.nix;

  tagged = {
    name = "app";
    tag = "v1";
    meta.license = "MIT";
    passthru.mine = 1;
  };
  two = {
    one = lib.buildImage { name = "one"; };
    two = lib.buildImage { name = "two"; };
  };
  results = {
    buildImage = lib.buildImage tagged;
    layered = dockerTools.buildLayeredImage tagged;
    plain = dockerTools.buildImage tagged;
    withDatabase = dockerTools.buildImageWithNixDb tagged;
    stream = dockerTools.streamLayeredImage tagged;
  };
  several = {
    index = lib.buildImageIndex { images = { inherit (two) one; }; };
    set = lib.buildImageSet { images = two; };
  };
  each = set: of: builtins.mapAttrs (_: of) set;
  all = set: value: builtins.mapAttrs (_: _: value) set;
  drvPath = result: builtins.unsafeDiscardStringContext result.drvPath;
  refused = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  overridable = package: package ? override && package ? overrideAttrs;
in
[
  {
    name = "`override` calls the function again with other arguments";
    actual = each results (
      image:
      let
        other = image.override { tag = "v2"; };
      in
      [ other.imageTag other.mine (image.override (old: { tag = old.tag + ".1"; })).imageTag image.imageTag ]
    );
    expected = all results [ "v2" 1 "v1.1" "v1" ];
  }
  {
    name = "`overrideAttrs` changes meta, passthru and name, by a set or a function of the old ones";
    actual = each results (
      image:
      let
        named = image.overrideAttrs { name = "other"; };
        more = image.overrideAttrs (old: {
          name = "my-" + old.name;
          meta = old.meta // { broken = false; };
          passthru = old.passthru // { yours = 2; };
        });
        final = image.overrideAttrs (new: old: { name = "last"; passthru.called = new.name; });
      in
      [
        named.name
        (more.name == "my-" + image.name)
        [ more.meta.license more.meta.broken more.mine more.yours ]
        [ final.called (final ? mine) ]
        (more.imageName == image.imageName && drvPath more.spec == drvPath image.spec)
      ]
    );
    expected = all results [ "other" true [ "MIT" false 1 2 ] [ "last" false ] true ];
  }
  {
    name = "`override` and `overrideAttrs` keep what the other changed";
    actual = each results (
      image:
      map (image: [ image.name image.imageTag image.imageName ]) [
        ((image.override { tag = "v2"; }).overrideAttrs { name = "other"; })
        ((image.overrideAttrs { name = "other"; }).override { tag = "v2"; })
        (((image.overrideAttrs { name = "first"; }).override { tag = "v2"; }).overrideAttrs { name = "other"; })
      ]
    );
    expected = all results (builtins.genList (_: [ "other" "v2" "app" ]) 3);
  }
  {
    name = "`overrideAttrs` of an argument is the image with that argument, as with nixpkgs' builders";
    actual =
      let
        empty = dockerTools.buildImage { name = "empty"; };
        based = empty.overrideAttrs (_: { fromImage = empty; });
      in
      [
        (builtins.unsafeDiscardStringContext based.image.spec.base.path == builtins.unsafeDiscardStringContext empty.outPath)
        (drvPath based == drvPath (dockerTools.buildImage { name = "empty"; fromImage = empty; }))
      ];
    expected = [ true true ];
  }
  {
    name = "`overrideAttrs` refuses what no builder reads";
    actual = each results (image: refused (image.overrideAttrs { buildCommand = "true"; }).name);
    expected = all results true;
  }
  {
    name = "sets and indexes are changed, too";
    actual = each several (
      result:
      let
        other = result.override { images = { inherit (two) two; }; };
        named = result.overrideAttrs (old: { name = "other"; meta = old.meta // { broken = false; }; });
      in
      [ (builtins.attrNames other.images) named.name named.meta.broken ]
    );
    expected = all several [ [ "two" ] "other" false ];
  }
  {
    name = "images merged into one archive have `overrideAttrs` alone, as in nixpkgs";
    actual =
      let
        merged = dockerTools.mergeImages (builtins.attrValues two);
      in
      [ (merged.overrideAttrs { name = "other.tar"; }).name (merged ? override) ];
    expected = [ "other.tar" false ];
  }
  {
    name = "an image of a set keeps what was changed";
    actual =
      let
        image = name: (lib.buildImage { inherit name; layering = "set"; }).overrideAttrs { name = "my-${name}"; };
      in
      (lib.buildImageSet { images = { a = image "a"; b = image "b"; }; }).images.a.name;
    expected = "my-a";
  }
  {
    name = "fakeNss is changed again and again";
    actual =
      let
        one = dockerTools.fakeNss.override { extraGroupLines = [ "a:x:7:" ]; };
      in
      (one.override { extraPasswdLines = [ "b:x:8:8::/:/bin/sh" ]; }).group == one.group;
    expected = true;
  }
  {
    name = "packages of nix/debian have `override` and `overrideAttrs` where nixpkgs' have them";
    actual = [
      (map overridable [ pkgs.prometheus pkgs.cacert pkgs.buildPackages.jq pkgs.tzdata pkgs.glibc ])
      (map (package: [ (package ? override) (package ? overrideAttrs) ]) [
        (pkgs.runCommand "x" { } "")
        (pkgs.buildPackages.writeShellScriptBin "x" "")
        flake.packages.${system}.cooper
      ])
    ];
    expected =
      let
        attributesAlone = [ false true ];
      in
      [ [ true true true true true ] [ attributesAlone attributesAlone attributesAlone ] ];
  }
  {
    name = "nix/debian's packages change by them";
    actual =
      let
        x = pkgs.runCommand "x" { meta.broken = true; passthru.mine = 1; } "";
        other = x.overrideAttrs (old: { name = old.name + "y"; meta = old.meta // { license = "MIT"; }; });
        sized = (pkgs.cacert.overrideAttrs { version = "2"; }).override { };
      in
      [ other.name other.meta other.mine sized.name ];
    expected = [ "xy" { broken = true; license = "MIT"; } 1 "cacert-2" ];
  }
  {
    name = "the program of a package is found by nix/debian's `lib` as by nixpkgs'";
    actual = map builtins.unsafeDiscardStringContext [
      (pkgs.lib.getExe (lib.buildImage { name = "app"; }).load)
      (pkgs.lib.getExe' pkgs.buildPackages.sqlite "sqlite3")
    ];
    expected = map builtins.unsafeDiscardStringContext [
      "${(lib.buildImage { name = "app"; }).load}/bin/load-app"
      "${pkgs.buildPackages.sqlite.bin}/bin/sqlite3"
    ];
  }
  {
    name = "dockerTools has every attribute of nixpkgs'";
    actual = builtins.attrNames dockerTools;
    expected = nixpkgs.attributes;
  }
]
++ map (function: {
  name = "${function} has every argument of nixpkgs'";
  actual = builtins.filter (
    name: !builtins.elem name (import ../lib/docker-tools/arguments.nix).${function}.names
  ) nixpkgs.arguments.${function};
  expected = [ ];
}) (builtins.attrNames nixpkgs.arguments)
