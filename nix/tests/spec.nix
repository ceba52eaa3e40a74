# What buildImage makes of its arguments: the spec's content, and the closure's roots.
let
  # Derivations that are never built: what counts is how strings refer to them.
  package =
    name: outputs:
    derivation {
      inherit name outputs;
      system = "x86_64-linux";
      builder = "/bin/sh";
    };
  hello = package "hello-1.0" [ "out" ];
  many = package "many-2.0" [
    "out"
    "dev"
  ];
  pkgs = {
    stdenv.hostPlatform.system = "aarch64-linux";
    stdenv.buildPlatform.system = "x86_64-linux";
    cacert = hello;
    tzdata = hello;
    busybox-sandbox-shell = hello;
  };
  spec = arguments: import ../lib/spec.nix { inherit pkgs; cooper.cooper = hello; } ({ name = "app"; } // arguments);
  pathsOf = value: map builtins.unsafeDiscardStringContext (import ../lib/store-paths.nix value);
  plain = builtins.unsafeDiscardStringContext;
  sorted = builtins.sort (a: b: a < b);
  suggest = name: import ../lib/suggest.nix name [ "contents" "config" "files" ];
in
[
  {
    name = "the platform is that of the packages";
    actual = (spec { }).platform;
    expected = { os = "linux"; architecture = "arm64"; variant = null; };
  }
  {
    name = "one tag becomes a list";
    actual = (spec { tag = "v1"; }).tags;
    expected = [ "v1" ];
  }
  {
    name = "without a tag it is latest";
    actual = (spec { }).tags;
    expected = [ "latest" ];
  }
  {
    name = "Env as a set becomes a list in the order of names";
    actual = (spec { config.Env = { B = "2"; A = "1"; }; }).config.Env;
    expected = [ "A=1" "B=2" ];
  }
  {
    name = "a preset's variable is added, the caller's own is kept";
    actual = (spec { presets = [ "ca-certificates" ]; config.Env = [ "Z=1" "SSL_CERT_FILE=/mine" ]; }).config.Env;
    expected = [ "Z=1" "SSL_CERT_FILE=/mine" ];
  }
  {
    name = "what the caller writes wins over a preset";
    actual = (spec { presets = [ "tmp" ]; directories."/tmp".mode = "0700"; }).directories;
    expected."/tmp".mode = "0700";
  }
  {
    name = "durations become nanoseconds";
    actual = (spec { config.Healthcheck = { Interval = "10s"; Timeout = "500ms"; StartPeriod = "08m"; Retries = 2; }; }).config.Healthcheck;
    expected = { Interval = 10000000000; Timeout = 500000000; StartPeriod = 480000000000; Retries = 2; };
  }
  {
    name = "a user without a group has the group of his number";
    actual = (spec { users.a.uid = 7; }).users.a.gid;
    expected = 7;
  }
  {
    name = "ports as a list become OCI's object";
    actual = (spec { config.ExposedPorts = [ "80/tcp" ]; }).config.ExposedPorts;
    expected."80/tcp" = { };
  }
  {
    name = "what must not be in an image is not therefore in it";
    actual = pathsOf (spec { checks.mustNotContain = [ "${hello}" ]; });
    expected = [ ];
  }
  {
    name = "a layers lock gives the image its own layers";
    actual = (spec { layering.lock = ./fixtures/layers.lock.json; }).layering;
    expected.lock = [ [ "glibc" ] [ "hello" "openssl" ] ];
  }
  {
    name = "a layers lock without the image, or without a file, holds nothing";
    actual = map (layering: (spec layering).layering.lock) [
      { name = "other"; layering.lock = ./fixtures/layers.lock.json; }
      { layering.lock = ./fixtures/not-there.json; }
    ];
    expected = [ [ ] [ ] ];
  }
  {
    name = "checks are left out when they are not given";
    actual = (spec { }) ? checks;
    expected = false;
  }
  {
    name = "compression is left out when it is not given";
    actual = (spec { }) ? compression;
    expected = false;
  }
  {
    name = "store paths are found in commands and texts, each once";
    actual = pathsOf { a = [ "${hello}/bin/x" "--with=${hello}" ]; b = "see ${many.dev}."; };
    expected = sorted [ (plain "${hello}") (plain "${many.dev}") ];
  }
  {
    name = "a full stop after a store path is not part of it";
    actual = pathsOf "it is ${hello}.";
    expected = [ (plain "${hello}") ];
  }
  {
    name = "a path that Nix knows nothing of is not in the closure";
    actual = pathsOf "${plain "${many}"}/x ${hello}";
    expected = [ (plain "${hello}") ];
  }
  {
    name = "files of the flake's own source are in the closure";
    actual = builtins.length (pathsOf "${./spec.nix}");
    expected = 1;
  }
  {
    name = "no store paths, no closure";
    actual = pathsOf { a = "b"; };
    expected = [ ];
  }
  {
    name = "a near name is suggested";
    actual = suggest "contnets";
    expected = "; did you mean `contents`?";
  }
  {
    name = "a far name lists the known ones";
    actual = suggest "zzzzzzzz";
    expected = "; expected one of contents, config, files";
  }
]
