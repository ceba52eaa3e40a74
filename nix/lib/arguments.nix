# What buildImage takes, checked at evaluation. README.md says what each one means;
# a test compares the two, so that neither drifts.
let
  types = import ./types.nix;
  inherit (types)
    attrsOf
    intBetween
    bool
    either
    enum
    listOf
    strMatching
    timestamp
    natural
    nullOr
    record
    set
    fromPredicate
    storePath
    string
    ;

  component = "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*";
  imageName =
    strMatching
      "an image name: lowercase letters, digits and . _ - between them, parts divided by /, such as \"betrace-backend\" or \"ghcr.io/betracehq/backend\""
      "([A-Za-z0-9.-]+(:[0-9]+)?/)?${component}(/${component})*";
  imageTag = strMatching "a tag, such as \"v1.2.0\": at most 128 letters, digits and _ . -, the first no . or -" "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}";
  absolute = strMatching "an absolute path inside the image, such as \"/etc/hosts\"" "/.*";
  mode = strMatching "a mode in octal, such as \"0644\" or \"1777\"" "[0-7]{3,4}";
  # As cooper's src/spec/capability.rs reads them.
  capability = import ./capability.nix types;
  # Docker takes 0, for its default, and nothing shorter than a millisecond.
  nanoseconds = fromPredicate "0, or nanoseconds from a millisecond on, 1000000; or a duration such as \"10s\"" (
    value: value == 0 || value >= 1000000
  );
  duration = either nanoseconds builtins.isInt (strMatching "nanoseconds, or a duration such as \"500ms\", \"10s\" or \"2m\"" "[0-9]+(ms|s|m|h)");
  id = intBetween 0 4294967294;

  owned = {
    inherit mode;
    uid = id;
    gid = id;
  };
  pathsTo = type: {
    expects = "an attribute set from absolute paths";
    check =
      where: value:
      (attrsOf type).check where value
      ++ (
        if builtins.isAttrs value then
          builtins.concatMap (path: absolute.check where path) (builtins.attrNames value)
        else
          [ ]
      );
  };
  file =
    let
      shape = record {
        fields = owned // {
          text = string;
          source = storePath;
          capabilities = listOf capability;
        };
      };
    in
    shape
    // {
      check =
        where: value:
        shape.check where value
        ++ capability.together "${where}.capabilities" (
          if builtins.isAttrs value then value.capabilities or [ ] else [ ]
        )
        ++ (
          if builtins.isAttrs value && (value.text or null != null) == (value.source or null != null) then
            types.problem where "this must have either `text` or `source`"
          else
            [ ]
        );
    };
  emptySets = either (listOf string) builtins.isList (attrsOf set);

  # OCI's config object, with Docker's health check; Env, ports and volumes may also be
  # written the way Nix likes them.
  config = record {
    renamed = builtins.mapAttrs (_: option: "it where the container is started: `${option}`") (
      import ./container-fields.nix
    );
    fields = {
      User = string;
      ExposedPorts = emptySets;
      Env = either (attrsOf string) builtins.isAttrs (
        listOf (strMatching "NAME=value" "[^=]+=(.|\n)*")
      );
      Entrypoint = listOf string;
      Cmd = listOf string;
      Volumes = emptySets;
      WorkingDir = string;
      Labels = attrsOf string;
      StopSignal = string;
      Shell = listOf string;
      OnBuild = listOf string;
      Healthcheck = record {
        fields = {
          Test = listOf string;
          Interval = duration;
          Timeout = duration;
          StartPeriod = duration;
          StartInterval = duration;
          Retries = natural;
        };
      };
    };
  };

  maxLayers = intBetween 1 125;
  architecture = strMatching "OCI's name of a processor, such as \"amd64\" or \"arm64\"" "[a-z0-9]+";
  layeringMode = enum [
    "image"
    "set"
  ];
  layering = either layeringMode builtins.isString (record {
    fields = {
      mode = layeringMode;
      inherit maxLayers;
      minLayerSize = natural;
      changesOften = listOf string;
      groups = listOf (record {
        required = [
          "name"
          "paths"
        ];
        fields = {
          name = string;
          paths = listOf storePath;
        };
      });
      lock = types.lockFile;
    };
  });

  base =
    let
      shape = record {
        fields = {
          path = storePath;
          reference = string;
          # Of one that is not there yet, lock.nix says how it is written.
          lock = types.anyStorePath;
        };
      };
    in
    shape
    // {
      check =
        where: value:
        shape.check where value
        ++ (
          if !builtins.isAttrs value then
            [ ]
          else if value ? path == value ? lock then
            types.problem where "this must have either `path`, an archive or a layout, or `lock`, a file that `cooper lock` wrote"
          else if value ? lock && value ? reference then
            types.problem "${where}.reference" "a lock names one image already"
          else
            [ ]
        );
    };

  algorithm = enum [
    "gzip"
    "zstd"
    "none"
  ];
  compression = either algorithm builtins.isString (record {
    required = [ "algorithm" ];
    fields = {
      inherit algorithm;
      level = natural;
    };
  });

  # cooper's src/spec/checks.rs has the same ones.
  checkNames = [
    "entrypoint"
    "healthcheck"
    "architecture"
    "interpreter"
    "user"
    "runAsNonRoot"
    "runtimePaths"
    "mustContain"
    "mustNotContain"
    "maxSize"
    "secrets"
  ];
  checks = record {
    fields = {
      skip = listOf (enum checkNames);
      mustContain = listOf absolute;
      mustNotContain = listOf absolute;
      maxSize = natural;
    };
  };

  # Names of dockerTools' and nix2container's, and what belongs into `config`.
  renamed =
    let
      script = "what it makes as `files`, `directories` and `symlinks`, or call dockerTools.buildLayeredImage, which takes scripts";
      as =
        write:
        builtins.listToAttrs (
          map (name: {
            name = write name;
            value = "`config.${name}`";
          }) config.names
        );
    in
    as (name: name)
    // as (import ./to-lower.nix)
    // {
      copyToRoot = "`contents`";
      fromImage = "`base = { path = …; }`";
      maxLayers = "`layering.maxLayers`";
      layers = "`layering.groups`";
      architecture = "`platform.architecture`";
      compressor = "`compression`";
      perms = "`directories` and `files`, which have `mode`, `uid` and `gid`";
      extraCommands = script;
      fakeRootCommands = script;
      runAsRoot = script;
    };

  image = record {
    required = [ "name" ];
    inherit renamed;
    fields = {
      name = imageName;
      tag = imageTag;
      tags = listOf imageTag;
      contents = listOf storePath;
      inherit config;
      configFragments = listOf storePath;
      files = pathsTo file;
      directories = pathsTo (record {
        fields = owned;
      });
      symlinks = pathsTo string;
      users = attrsOf (record {
        required = [ "uid" ];
        fields = {
          uid = id;
          gid = id;
          home = absolute;
          shell = absolute;
          description = string;
        };
      });
      groups = attrsOf (record {
        required = [ "gid" ];
        fields = {
          gid = id;
          members = listOf string;
        };
      });
      presets = listOf (enum (builtins.attrNames (import ./presets.nix { pkgs = { }; })));
      inherit layering compression;
      platform = record {
        required = [ "architecture" ];
        fields = {
          os = enum [ "linux" ];
          inherit architecture;
          variant = nullOr string;
        };
      };
      inherit base;
      annotations = attrsOf string;
      inherit checks;
      created = timestamp;
      mtime = timestamp;
      includeStorePaths = bool;
      meta = set;
      passthru = set;
    };
  };

  tagRules =
    where: value:
    if !builtins.isAttrs value then
      [ ]
    else if value ? tag && value ? tags then
      types.problem "tags" "`tag` is given too; write one of the two"
    else if (value.tags or null) == [ ] then
      types.problem "tags" "the list is empty; an image has one tag at least"
    else
      [ ];
in
{
  checks = checkNames;
  # For functions that have them under other names.
  inherit architecture maxLayers;
  image = image // {
    check = where: value: image.check where value ++ tagRules where value;
  };
}
