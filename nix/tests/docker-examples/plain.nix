# buildImage: what comes to `/` is copied there.
{
  pkgs,
  dockerTools,
  foreign,
}:
let
  inherit (import ./packages.nix { inherit pkgs; }) hello shell text;
  inherit (dockerTools) buildImage;
  foreignHello = (import ./packages.nix { inherit (foreign) pkgs; }).text "hello" "bin/hello" "";
  bashOf =
    name: arguments:
    buildImage (
      {
        inherit name;
        tag = "latest";
        copyToRoot = pkgs.bashInteractive;
      }
      // arguments
    );
in
rec {
  bash = bashOf "bash" { };
  bash-no-tag = buildImage {
    name = "bash-no-tag";
    copyToRoot = pkgs.bashInteractive;
  };
  bash-uncompressed = bashOf "bash-uncompressed" { compressor = "none"; };
  bash-zstd = bashOf "bash-zstd" { compressor = "zstd"; };

  # Several contents.
  editors = buildImage {
    name = "editors";
    tag = "latest";
    copyToRoot = [
      pkgs.coreutils
      pkgs.bash
      pkgs.redis
    ];
  };

  # Text that a shell would trip over, were it not passed as data.
  extra-commands = buildImage {
    name = "extra-commands";
    tag = "latest";
    copyToRoot = [ pkgs.coreutils ];
    extraCommands = ''echo "(extra 'commands')" >extraCommands; echo '$HOME `true`' >dollars'';
    config.Cmd = [ "cat" "extraCommands" "dollars" ];
  };

  dated = buildImage {
    name = "dated";
    tag = "latest";
    created = "2026-01-31T12:00:00Z";
    copyToRoot = hello;
  };

  # nixpkgs tells a kind of processor in the config alone; so do we, of what has no program.
  with-architecture = buildImage {
    name = "with-architecture";
    tag = "latest";
    architecture = "arm64";
    copyToRoot = ./tree;
  };
  cross = foreign.dockerTools.buildImage {
    name = "cross";
    tag = "latest";
    copyToRoot = foreignHello;
  };

  # A directory of the flake, which is not a package.
  with-path = buildImage {
    name = "with-path";
    tag = "latest";
    copyToRoot = [
      ./tree
      pkgs.bash
    ];
  };

  prefixed = buildImage {
    name = "registry.example.org/team/image";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
  };

  # Nothing at all still is an image.
  nothing = buildImage {
    name = "nothing";
    tag = "latest";
  };

  # Names that shells, tars and lists of files get wrong.
  unusual-names = buildImage {
    name = "unusual-names";
    tag = "latest";
    copyToRoot = pkgs.coreutils;
    extraCommands = ''
      mkdir names && cd names
      touch 'with space' "with 'quotes'" 'with "double quotes"' 'back\slash' ./-dash '*' '$HOME' 'ünïcödé' $'new\nline'
      long=$(printf 'x%.0s' {1..120})
      mkdir -p "$long/$long" && touch "$long/$long/$long"
    '';
  };

  # Links to directories become directories, or stay links.
  dirlinks = buildImage {
    name = "dirlinks";
    tag = "latest";
    keepContentsDirlinks = true;
    copyToRoot = pkgs.runCommand "linked" { } ''
      mkdir -p "$out/real"
      echo content >"$out/real/file"
      ln -s real "$out/link"
    '';
  };

  owned = buildImage {
    name = "owned";
    tag = "latest";
    copyToRoot = text "owned" "srv/www/index.html" "hi";
    uid = 33;
    gid = 44;
    extraCommands = "chmod 0700 srv; mkdir -m 1777 tmp";
    config.Cmd = [ "${shell}/bin/busybox" ];
  };

  certificates = buildImage {
    name = "certificates";
    tag = "latest";
    copyToRoot = [
      pkgs.bash
      pkgs.coreutils
      dockerTools.caCertificates
      dockerTools.usrBinEnv
      dockerTools.binSh
      dockerTools.fakeNss
    ];
  };
}
