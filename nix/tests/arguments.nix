# Which arguments buildImage refuses, and that the error says where and what to write.
let
  inherit (import ../lib/arguments.nix) image;
  problems = arguments: image.check "" arguments;
  ok = { name = "app"; };
  package = derivation {
    name = "hello";
    system = "x86_64-linux";
    builder = "/bin/sh";
  };
  # `arguments` are refused for one reason, which starts with the place and ends as given.
  refused = name: arguments: where: says: {
    inherit name;
    actual =
      let
        found = problems arguments;
        text = builtins.concatStringsSep " | " found;
        begins = if where == "" then "" else "`${where}`: ";
      in
      if
        builtins.length found == 1
        && builtins.substring 0 (builtins.stringLength begins) text == begins
        && builtins.replaceStrings [ says ] [ "" ] text != text
      then
        "refused"
      else
        "wanted `${where}`: …${says}…, got: ${text}";
    expected = "refused";
  };
  images = import ../images.nix {
    pkgs = { };
    mkLib = _: { };
  };
  accepted = name: arguments: {
    inherit name;
    actual = problems (ok // arguments);
    expected = [ ];
  };
in
[
  (refused "an argument list instead of a set" [ ] "" "must be an attribute set")
  (refused "no name" { } "name" "missing; it must be")
  (refused "a mistyped argument is suggested" (ok // { entrypont = [ ]; }) "entrypont" "expected one of")
  (refused "a mistyped argument near a known one" (ok // { content = [ ]; }) "content" "did you mean `contents`?")
  (refused "a mistyped config key" (ok // { config.entrypont = [ ]; }) "config.entrypont" "did you mean `Entrypoint`?")
  (refused "capitals in a name" { name = "App"; } "name" "an image name")
  (refused "an empty part in a name" { name = "a//b"; } "name" "an image name")
  (refused "a digest in a name" { name = "a@sha256:00"; } "name" "an image name")
  (refused "a tag that starts with a dot" (ok // { tag = ".x"; }) "tag" "v1.2.0")
  (refused "a tag of 129 characters" (
    ok // { tag = builtins.concatStringsSep "" (builtins.genList (_: "a") 129); }
  ) "tag" "at most 128")
  (refused "tag and tags" (ok // { tag = "a"; tags = [ "b" ]; }) "tags" "one of the two")
  (refused "no tags at all" (ok // { tags = [ ]; }) "tags" "one tag at least")
  (refused "contents that is not a list" (ok // { contents = "x"; }) "contents" "write [ … ] around it")
  (refused "contents with a number in it" (ok // { contents = [ 3 ]; }) "contents[0]" "a package, a file such as ./file, or a store path")
  (refused "contents by a name" (ok // { contents = [ "hello" ]; }) "contents[0]" "a package, a file such as ./file, or a store path")
  (refused "contents by a path of the machine" (ok // { contents = [ "/usr/bin" ]; }) "contents[0]" "not a string \"/usr/bin\"")
  (refused "a missing file" (ok // { contents = [ ./nothing ]; }) "contents[0]" "`git add`")
  (refused "a missing base" (ok // { base.path = ./nothing.tar; }) "base.path" "`git add`")
  (refused "a package instead of arguments" package "" "not the package hello")
  (refused "a package instead of a list" (ok // { contents = package; }) "contents" "not the package hello; write [ … ] around it")
  (refused "a package instead of a command" (ok // { config.Cmd = [ package ]; }) "config.Cmd[0]" "\"\${package}/bin/program\"")
  (refused "a package instead of a set" (ok // { users = package; }) "users" "not the package hello")
  (refused "a config's key outside of config" (ok // { Cmd = [ "x" ]; }) "Cmd" "write `config.Cmd`")
  (refused "… in small letters" (ok // { workingdir = "/"; }) "workingdir" "write `config.WorkingDir`")
  (refused "dockerTools' name of an argument" (ok // { copyToRoot = [ ]; }) "copyToRoot" "write `contents`")
  (refused "a script" (ok // { extraCommands = ""; }) "extraCommands" "dockerTools.buildLayeredImage")
  (refused "a text instead of a file" (ok // { files."/x" = "text"; }) "files.\"/x\"" "an attribute set of capabilities, gid, mode, source, text, uid")
  (refused "a platform as a string" (ok // { platform = "linux/amd64"; }) "platform" "an attribute set of architecture, os, variant")
  (refused "Env without a name" (ok // { config.Env = [ "A" ]; }) "config.Env[0]" "NAME=value")
  (refused "an Entrypoint in one string" (ok // { config.Entrypoint = "a b"; }) "config.Entrypoint" "must be a list")
  (refused "a duration without a unit" (ok // { config.Healthcheck.Interval = "10"; }) "config.Healthcheck.Interval" "500ms")
  (refused "a duration in seconds" (ok // { config.Healthcheck.Interval = 10; }) "config.Healthcheck.Interval" "1000000; or a duration")
  (accepted "durations in nanoseconds" {
    config.Healthcheck = {
      Interval = 0;
      Timeout = 1000000;
    };
  })
  (refused "uname's name of a processor" (ok // { platform.architecture = "x86_64"; }) "platform.architecture" "amd64")
  (refused "a mode with a letter" (ok // { directories."/t".mode = "u+x"; }) "directories.\"/t\".mode" "octal")
  (refused "a mode with the digit 8" (ok // { directories."/t".mode = "0888"; }) "directories.\"/t\".mode" "octal")
  (refused "a negative uid" (ok // { directories."/t".uid = -1; }) "directories.\"/t\".uid" "from 0 to")
  (refused "a uid past 32 bits" (ok // { users.a.uid = 4294967296; }) "users.\"a\".uid" "from 0 to")
  (refused "a relative path" (ok // { files."etc/x".text = ""; }) "files" "absolute path")
  (refused "a file without content" (ok // { files."/x" = { }; }) "files.\"/x\"" "either `text` or `source`")
  (refused "a file with two contents" (ok // { files."/x" = { text = ""; source = ./.; }; }) "files.\"/x\"" "either `text` or `source`")
  (refused "an unknown preset" (ok // { presets = [ "tz" ]; }) "presets[0]" "tzdata")
  (refused "no layers" (ok // { layering.maxLayers = 0; }) "layering.maxLayers" "from 1 to 125")
  (refused "too many layers" (ok // { layering.maxLayers = 126; }) "layering.maxLayers" "from 1 to 125")
  (refused "a lock by a name" (ok // { layering.lock = "layers.lock.json"; }) "layering.lock" "./layers.lock.json")
  (refused "an unknown compression" (ok // { compression = "bzip2"; }) "compression" "zstd")
  (refused "an unknown check" (ok // { checks.skip = [ "entrypont" ]; }) "checks.skip[0]" "healthcheck")
  (refused "a relative path that must be there" (ok // { checks.mustContain = [ "bin/x" ]; }) "checks.mustContain[0]" "absolute path")
  (refused "a mistyped assertion" (ok // { checks.mustContains = [ ]; }) "checks.mustContains" "did you mean `mustContain`?")
  (refused "a budget as a string" (ok // { checks.maxSize = "100 MB"; }) "checks.maxSize" "a number")
  (refused "capabilities without flags" (ok // { files."/x" = { text = ""; capabilities = [ "cap_net_raw" ]; }; }) "files.\"/x\".capabilities[0]" "setcap")
  (refused "a capability that Linux lacks" (ok // { files."/etc/myapp/config" = { text = ""; capabilities = [ "cap_net_row=ep" ]; }; }) "files.\"/etc/myapp/config\".capabilities[0]" "did you mean `cap_net_raw`?")
  (refused "a capability without effect" (ok // { files."/x" = { text = ""; capabilities = [ "cap_net_raw=e" ]; }; }) "files.\"/x\".capabilities[0]" "write `=ep`")
  (refused "capabilities of which one is effective" (ok // { files."/x" = { text = ""; capabilities = [ "cap_net_raw=ep" "cap_kill=p" ]; }; }) "files.\"/x\".capabilities" "or none of them")
  (refused "a base without either" (ok // { base = { }; }) "base" "cooper lock")
  (refused "a base that is a file and a lock" (ok // { base = { path = ./.; lock = ./.; }; }) "base" "either `path`")
  (refused "one image of a lock" (ok // { base = { lock = ./.; reference = "x:1"; }; }) "base.reference" "one image already")
  (refused "passthru that is not a set" (ok // { passthru = 3; }) "passthru" "an attribute set")
  (refused "the time of the build" (ok // { created = "now"; }) "created" "`self.lastModifiedDate`")
  (refused "a time that is none" (ok // { created = "2026-13-01"; }) "created" "a fixed time")
  (refused "a time in seconds" (ok // { mtime = 1; }) "mtime" "a fixed time")

  {
    name = "the images of one's own packages are made of packages";
    actual = map (arguments: (builtins.tryEval (builtins.attrNames (images arguments) != [ ])).success) [
      { backend = "backend"; }
      { grafana-plugin = ./.; }
      { source = package; }
      { backend = package; provisioning = ./.; }
    ];
    expected = [ false false false true ];
  }
  (accepted "a name alone" { })
  (accepted "the time of a flake" { created = "20260131120102"; mtime = "2026-01-31"; })
  (accepted "contents as a package, a path and a store path" { contents = [ package ./. "${package}/share" ]; })
  (accepted "a name with registry, port and parts" { name = "localhost:5000/a/b-c"; })
  (accepted "Env as a set" { config.Env.A = "b"; })
  (accepted "Env with newlines in a value" { config.Env = [ "A=b\nc" ]; })
  (accepted "ports as a list" { config.ExposedPorts = [ "80/tcp" ]; })
  (accepted "checks with patterns and a budget" { checks = { skip = [ "user" ]; mustNotContain = [ "/bin/*sh" ]; maxSize = 1; }; })
  (accepted "capabilities in setcap's forms" { files."/x" = { text = ""; capabilities = [ "cap_net_raw+ep" "CAP_KILL,cap_chown=eip" ]; }; })
  (accepted "a base by its lock" { base.lock = ./debian.lock.json; })
  (accepted "a base in a file" { base = { path = ./.; reference = "debian:12"; }; })
  (accepted "layering as a string" { layering = "set"; })
  (accepted "a lock as a file of the flake" { layering = { maxLayers = 40; lock = ./layers.lock.json; }; })
  (accepted "compression with a level" { compression = { algorithm = "gzip"; level = 9; }; })
]
