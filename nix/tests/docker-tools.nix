# What dockerTools' functions make of nixpkgs' arguments, and what they refuse.
let
  package =
    name:
    derivation {
      inherit name;
      system = "x86_64-linux";
      builder = "/bin/sh";
    };
  hello = package "hello-1.0";
  made =
    name: attributes:
    derivation (
      attributes
      // {
        inherit name;
        system = "x86_64-linux";
        builder = "/bin/sh";
      }
    )
    // {
      # What a test looks at.
      given = attributes;
    };
  pkgs = {
    stdenv.hostPlatform.system = "x86_64-linux";
    stdenv.buildPlatform.system = "x86_64-linux";
    runCommand = name: environment: commands: made name (environment // { inherit commands; });
    buildPackages.writeShellScriptBin = name: text: made name { inherit text; };
    buildPackages.fakeroot = package "fakeroot";
    buildPackages.jq = package "jq";
    buildPackages.nix = package "nix";
    buildPackages.sqlite = package "sqlite";
    cacert = package "cacert";
    coreutils = package "coreutils";
    bashInteractive = package "bash";
    tzdata = package "tzdata";
    busybox-sandbox-shell = package "shell";
  };
  dockerTools = import ../lib/docker-tools {
    inherit pkgs;
    cooper.cooper = package "cooper";
  };
  inherit (dockerTools) buildLayeredImage streamLayeredImage buildImage;
  tagged = {
    name = "app";
    tag = "v1";
  };
  layered = arguments: (buildLayeredImage (tagged // arguments)).image;
  specOf = arguments: (layered arguments).spec;
  # The derivation that lays out `/`.
  rootOf = image: (builtins.head image.image.trees).given;
  plain = builtins.unsafeDiscardStringContext;
  time = import ../lib/time.nix;

  # Refused; the message of a throw cannot be read by evaluation.
  throws = name: value: {
    inherit name;
    actual = (builtins.tryEval (builtins.deepSeq value true)).success;
    expected = false;
  };
in
[
  {
    name = "a name with capitals is made small, as nixpkgs does";
    actual = (buildLayeredImage { name = "My/App"; tag = "v1"; }).imageName;
    expected = "my/app";
  }
  {
    name = "a tag that is given is the image's";
    actual = (buildLayeredImage tagged).imageTag;
    expected = "v1";
  }
  {
    name = "without a tag it is a hash of Nix's";
    actual = builtins.match "[0-9a-z]{32}" (buildLayeredImage { name = "app"; }).imageTag != null;
    expected = true;
  }
  {
    name = "without a tag, an image of other contents gets another tag";
    actual =
      let
        tag = contents: (buildLayeredImage { name = "app"; inherit contents; }).imageTag;
      in
      [
        (tag [ ] == tag [ hello ])
        (tag [ hello ] == tag hello)
      ];
    expected = [
      false
      true
    ];
  }
  {
    name = "times are taken as a day, as a flake's date and with a zone";
    actual = map time [
      "2026-01-31"
      "20260131"
      "20260131120102"
      "2026-01-31T12:01:02"
      "2026-01-31T12:01:02.5+01:00"
      "yesterday"
      "20261331"
      "2026-01-31T25:00:00Z"
    ];
    expected = [
      "2026-01-31T00:00:00Z"
      "2026-01-31T00:00:00Z"
      "2026-01-31T12:01:02Z"
      "2026-01-31T12:01:02Z"
      "2026-01-31T12:01:02+01:00"
      null
      null
      null
    ];
  }
  {
    name = "created and mtime reach the spec";
    actual = builtins.intersectAttrs { created = 0; mtime = 0; } (specOf {
      created = "2026-01-31";
      mtime = "20260131120102";
    });
    expected = {
      created = "2026-01-31T00:00:00Z";
      mtime = "2026-01-31T12:01:02Z";
    };
  }
  {
    name = "compressors are named as nixpkgs names them";
    actual = map (compressor: (specOf { inherit compressor; }).compression.algorithm) [
      "gz"
      "zstd"
      "none"
    ];
    expected = [
      "gzip"
      "zstd"
      "none"
    ];
  }
  {
    name = "an image that is streamed is not compressed";
    actual = (streamLayeredImage tagged).image.spec.compression.algorithm;
    expected = "none";
  }
  {
    name = "a stream says that it is a program, and keeps passthru";
    actual =
      let
        stream = streamLayeredImage (tagged // { passthru.mine = 1; });
      in
      [
        stream.isExe
        stream.mine
        stream.imageName
      ];
    expected = [
      true
      1
      "app"
    ];
  }
  {
    name = "the architecture and the number of layers reach the spec";
    actual =
      let
        spec = specOf {
          architecture = "arm64";
          maxLayers = 42;
        };
      in
      [
        spec.platform.architecture
        spec.layering.maxLayers
      ];
    expected = [
      "arm64"
      42
    ];
  }
  {
    name = "packages can be arguments of a command, and keys with the value null are dropped";
    actual = builtins.mapAttrs (_: map plain) (specOf {
      config = {
        Cmd = [ hello "--all" ];
        Entrypoint = null;
      };
    }).config;
    expected.Cmd = [ (plain "${hello}") "--all" ];
  }
  {
    name = "volumes and ports with the value null are kept, and empty fields of a container are dropped";
    actual = (specOf {
      config = {
        Volumes."/data" = null;
        ExposedPorts."80/tcp" = null;
        Hostname = "";
        Tty = false;
        Healthcheck = {
          Test = [ "NONE" ];
          Retries = null;
        };
      };
    }).config;
    expected = {
      Volumes."/data" = { };
      ExposedPorts."80/tcp" = { };
      Healthcheck.Test = [ "NONE" ];
    };
  }
  {
    name = "a config that is null is empty";
    actual = (specOf { config = null; }).config;
    expected = { };
  }
  {
    name = "contents of layered images are linked, one package or a list of them";
    actual =
      let
        root = contents: rootOf (buildLayeredImage (tagged // { inherit contents; }));
        seen = root: [ root.how (map plain root.contents) ];
      in
      [
        (seen (root hello))
        (seen (root [ hello ]))
      ];
    expected =
      let
        one = [ "link" [ (plain "${hello}") ] ];
      in
      [ one one ];
  }
  {
    name = "contents of buildImage are copied, with its owner";
    actual =
      let
        root = rootOf (buildImage (tagged // { copyToRoot = hello; uid = 7; gid = 8; }));
      in
      [ root.how root.owner ];
    expected = [ "copy" [ "--uid" "7" "--gid" "8" ] ];
  }
  {
    name = "buildImage keeps links to directories with keepContentsDirlinks";
    actual = (rootOf (buildImage (tagged // { copyToRoot = hello; keepContentsDirlinks = true; }))).how;
    expected = "dirlinks";
  }
  {
    name = "extraCommands run where the contents are";
    actual = (rootOf (buildLayeredImage (tagged // { extraCommands = "mkdir -m 1777 tmp"; }))).extraCommands;
    expected = "mkdir -m 1777 tmp";
  }
  {
    name = "fakeRootCommands run under fakeroot, which nothing else needs";
    actual =
      let
        of = arguments: rootOf (buildLayeredImage (tagged // arguments));
        given = of { fakeRootCommands = "chown 1:1 x"; };
      in
      [
        given.fakeRootCommands
        (baseNameOf given.fakeroot)
        ((of { extraCommands = "true"; }) ? fakeroot)
      ];
    expected = [
      "chown 1:1 x"
      "fakeroot"
      false
    ];
  }
  {
    name = "Nix's database is of the image without it, and nothing is built for one that is not asked for";
    actual =
      let
        trees = arguments: map (tree: tree.given ? sqlite) (layered arguments).trees;
        with' = layered { includeNixDB = true; contents = hello; };
      in
      [
        (trees { contents = hello; })
        (trees { contents = hello; includeNixDB = true; })
        (map (tree: plain "${tree}") (layered { contents = hello; }).trees == [ (plain "${builtins.head with'.trees}") ])
        (trees { includeNixDB = true; })
      ];
    expected = [ [ false ] [ false true ] true [ true ] ];
  }
  {
    name = "buildLayeredImageWithNixDb and buildImageWithNixDb have it";
    actual = map (make: builtins.length (make (tagged // { includeNixDB = false; })).image.trees) [
      dockerTools.buildLayeredImageWithNixDb
      dockerTools.buildImageWithNixDb
    ];
    expected = [ 1 1 ];
  }
  (throws "a database of store paths that the image has not is refused" (specOf { includeNixDB = true; includeStorePaths = false; }))
  {
    name = "an image without contents and commands needs no build for its root";
    actual = (layered { config.Cmd = [ "${hello}/bin/hello" ]; }).trees;
    expected = [ ];
  }
  {
    name = "the closure is of what the root and the config refer to";
    actual = map plain (layered { config.Cmd = [ "${hello}/bin/hello" ]; extraCommands = "true"; }).closure;
    expected = [
      (plain "${hello}")
      (plain "${builtins.head (layered { extraCommands = "true"; }).trees}")
    ];
  }
  {
    name = "without store paths nothing is asked of programs that only a mount brings";
    actual = (specOf { contents = hello; includeStorePaths = false; checks.skip = [ "user" ]; }).checks.skip;
    expected = [ "user" "entrypoint" "healthcheck" "architecture" "interpreter" ];
  }
  {
    name = "cooper's additional arguments are accepted";
    actual = (specOf {
      directories."/data" = { mode = "0750"; uid = 1000; };
      presets = [ "tmp" ];
    }).directories;
    expected = {
      "/data" = { mode = "0750"; uid = 1000; };
      "/tmp".mode = "1777";
    };
  }
  {
    name = "fromImage is the base, chosen by name and tag";
    actual = builtins.mapAttrs (_: plain) (buildImage (tagged // {
      fromImage = hello;
      fromImageName = "debian";
      fromImageTag = "12";
    })).image.spec.base;
    expected = {
      path = plain "${hello}";
      reference = "debian:12";
    };
  }
  {
    name = "a fromImage that is null is none";
    actual = (specOf { fromImage = null; }) ? base;
    expected = false;
  }
  {
    name = "fakeNss has nixpkgs' users, and lines can be added";
    actual = [
      dockerTools.fakeNss.given.passwd
      (dockerTools.fakeNss.override { extraGroupLines = [ "app:x:7:" ]; }).given.group
    ];
    expected = [
      "root:x:0:0:root user:/var/empty:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/sh\n"
      "root:x:0:\nnobody:x:65534:\napp:x:7:\n"
    ];
  }
  {
    name = "the small packages evaluate";
    actual = map (package: package.name) [
      dockerTools.caCertificates
      dockerTools.binSh
      dockerTools.usrBinEnv
    ];
    expected = [ "ca-certificates" "bin-sh" "usr-bin-env" ];
  }
  {
    name = "merged images are one archive of all their specs";
    actual =
      let
        one = buildImage tagged;
        two = buildLayeredImage { name = "two"; };
      in
      builtins.length (builtins.filter (spec: builtins.elem spec (map (image: image.spec) [ one two ])) (
        map (image: image.spec) (dockerTools.mergeImages [ one two ]).images
      ));
    expected = 2;
  }
  (throws "an archive of someone else's cannot be merged" (dockerTools.mergeImages [ hello ]))
  (throws "passthru that is not a set is refused" (buildLayeredImage (tagged // { passthru = 3; })).imageName)
  (throws "… of a stream, too" (streamLayeredImage (tagged // { passthru = 3; })).imageName)
  (throws "an unsupported function is refused" (dockerTools.exportImage { }))
  (throws "images of one name and tag cannot be merged" (dockerTools.mergeImages [ (buildImage tagged) (buildLayeredImage tagged) ]))
  (throws "no images cannot be merged" (dockerTools.mergeImages [ ]))
  (throws "contents and copyToRoot together are refused" (buildImage (tagged // { contents = hello; copyToRoot = hello; })).drvPath)
  (throws "a mistyped key of config is refused" (specOf { config.entrypont = [ ]; }))
  (throws "a layering of a wrong type is refused, with maxLayers too" (specOf { layering = 3; maxLayers = 5; }))
  (throws "checks of a wrong type are refused, without store paths too" (specOf { checks = 3; includeStorePaths = false; }))
  (throws "more layers than Docker takes are refused" (specOf { maxLayers = 126; }))
]
