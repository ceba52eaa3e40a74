# Images on other images, and several in one archive.
{
  pkgs,
  dockerTools,
  foreign,
}@given:
let
  inherit (import ./packages.nix { inherit pkgs; }) hello script shell;
  inherit (dockerTools) buildImage buildLayeredImage mergeImages;
  plain = import ./plain.nix given;
  layered = import ./layered.nix given;

  onTop = {
    tag = "latest";
    fromImage = layered.layered;
    extraCommands = ''
      mkdir ./example-output
      chmod 777 ./example-output
    '';
    config = {
      Env = [ "PATH=${pkgs.coreutils}/bin/" ];
      WorkingDir = "/example-output";
      Cmd = [ "${pkgs.bash}/bin/bash" "-c" "echo hello >foo; cat foo" ];
    };
  };

  layer =
    number: fromImage: commands:
    buildImage {
      name = "l${toString number}";
      tag = "latest";
      inherit fromImage;
      extraCommands = "mkdir -p tmp\n${commands}";
    };
  l1 = layer 1 plain.editors "echo layer1 | tee tmp/layer1 tmp/layer2 tmp/layer3";
  l2 = layer 2 l1 "echo layer2 | tee tmp/layer2 tmp/layer3";

  parent = buildImage {
    name = "parent";
    tag = "latest";
    config.Env = [ "FROM_PARENT=true" "LAST_LAYER=parent" ];
  };
  child = {
    tag = "latest";
    fromImage = parent;
    config.Env = [ "FROM_CHILD=true" "LAST_LAYER=child" ];
  };

  repeat =
    number: fromImage:
    buildImage {
      name = "repeated-${toString number}";
      tag = "latest";
      inherit fromImage;
      copyToRoot = pkgs.bash;
    };

  # /bin is a link, as in today's distributions.
  mergedUsr = buildLayeredImage {
    name = "merged-usr-base";
    tag = "latest";
    extraCommands = ''
      mkdir -p usr/bin
      ln -s usr/bin bin
      cp ${shell}/bin/busybox usr/bin/sh
    '';
  };

  redis = buildImage {
    name = "redis";
    tag = "latest";
    fromImage = plain.bash;
    copyToRoot = [
      pkgs.redis
      (script "healthcheck" ''[ "$(/bin/redis-cli ping)" = PONG ]'')
    ];
    # nixpkgs: runAsRoot = "mkdir -p /data";
    directories."/data" = { };
    config = {
      Cmd = [ "/bin/redis-server" ];
      WorkingDir = "/data";
      Volumes."/data" = { };
      Healthcheck = {
        Test = [ "CMD" "/bin/healthcheck" ];
        Interval = 1000000000;
        Timeout = 10000000000;
        Retries = 3;
      };
    };
  };
in
{
  inherit redis;
  on-top = buildImage (onTop // { name = "on-top"; });
  on-top-layered = buildLayeredImage (onTop // { name = "on-top-layered"; });
  layers-order = layer 3 l2 "echo layer3 >tmp/layer3";

  environment = buildImage (child // { name = "environment"; copyToRoot = pkgs.coreutils; });
  environment-layered = buildLayeredImage (
    child // { name = "environment-layered"; contents = [ pkgs.coreutils ]; }
  );

  layered-bulk-layer = buildLayeredImage {
    name = "layered-bulk-layer";
    tag = "latest";
    fromImage = layered.two-layered;
    contents = [ pkgs.coreutils (script "hello" "echo 'Hello, world!'") ];
    maxLayers = 4;
  };
  merged-usr = buildLayeredImage {
    name = "merged-usr";
    tag = "latest";
    fromImage = mergedUsr;
    contents = [ hello ];
  };
  merged-usr-copied = buildImage {
    name = "merged-usr-copied";
    tag = "latest";
    fromImage = mergedUsr;
    copyToRoot = [ hello ];
  };
  # The same layer three times over.
  repeated = repeat 3 (repeat 2 (repeat 1 null));

  merged = mergeImages [ plain.bash redis ];
  merged-no-tag = mergeImages [ plain.bash-no-tag redis ];
  merged-owners = mergeImages [ plain.bash layered.owners-by-script ];
  merged-compressors = mergeImages [ redis plain.bash-uncompressed plain.bash-zstd ];
}
