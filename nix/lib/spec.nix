# Converts checked arguments to spec.json without the references graph. Arguments that are not set are
# left out, because cooper has the defaults.
{ pkgs, cooper }:
arguments:
let
  presetsByName = import ./presets.nix { inherit pkgs; };
  presets = map (name: presetsByName.${name}) (arguments.presets or [ ]);

  # An argument of the presets and of the caller, which overrides them.
  merged =
    key: builtins.foldl' (sum: part: sum // (part.${key} or { })) { } (presets ++ [ arguments ]);

  copied = builtins.intersectAttrs {
    name = null;
    annotations = null;
    includeStorePaths = null;
    compression = null;
  } arguments;
  times = builtins.mapAttrs (_: import ./time.nix) (
    builtins.intersectAttrs {
      created = null;
      mtime = null;
    } arguments
  );

  config = arguments.config or { };
  toSets =
    value:
    if builtins.isList value then
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = { };
        }) value
      )
    else
      value;

  # The caller's variables keep their order; variables of presets that the caller lacks follow.
  callersEnv =
    let
      env = config.Env or [ ];
    in
    if builtins.isAttrs env then map (name: "${name}=${env.${name}}") (builtins.attrNames env) else env;
  presetEnv = builtins.foldl' (sum: preset: sum // (preset.env or { })) { } presets;
  setByCaller = name: builtins.any (line: builtins.match "${name}=.*" line != null) callersEnv;
  env =
    callersEnv
    ++ map (name: "${name}=${presetEnv.${name}}") (
      builtins.filter (name: !setByCaller name) (builtins.attrNames presetEnv)
    );

  units = {
    ms = 1000000;
    s = 1000000000;
    m = 60000000000;
    h = 3600000000000;
  };
  nanoseconds =
    value:
    if builtins.isInt value then
      value
    else
      let
        parts = builtins.match "0*([0-9]+)(ms|s|m|h)" value;
      in
      builtins.fromJSON (builtins.head parts) * units.${builtins.elemAt parts 1};
  isDuration = {
    Interval = null;
    Timeout = null;
    StartPeriod = null;
    StartInterval = null;
  };

  # A path named in `checks` must not become a dependency; its string context is dropped.
  assertedPaths = builtins.mapAttrs (_: map (path: builtins.unsafeDiscardStringContext "${path}")) (
    builtins.intersectAttrs {
      mustContain = null;
      mustNotContain = null;
    } (arguments.checks or { })
  );

  platform = {
    os = "linux";
    variant = null;
  }
  // (arguments.platform or (import ./platform.nix pkgs));

  layering = arguments.layering or { };
  optional = condition: attributes: if condition then attributes else { };
  # The layers of an earlier plan; empty if the file does not exist yet.
  lock = import ./layers-lock.nix arguments.layering.lock arguments.name;
in
copied
// times
// {
  version = 1;
  tags = arguments.tags or [ (arguments.tag or "latest") ];
  inherit platform;
  contents = map (item: "${item}") (arguments.contents or [ ]);
  files = builtins.mapAttrs (
    _: file: file // optional (file ? source) { source = "${file.source}"; }
  ) (merged "files");
  directories = merged "directories";
  symlinks = merged "symlinks";
  users = builtins.mapAttrs (_: user: { gid = user.uid; } // user) (merged "users");
  groups = merged "groups";
  config =
    config
    // optional (env != [ ]) { Env = env; }
    // builtins.mapAttrs (_: toSets) (
      builtins.intersectAttrs {
        ExposedPorts = null;
        Volumes = null;
      } config
    )
    // optional (config ? Healthcheck) {
      Healthcheck =
        config.Healthcheck
        // builtins.mapAttrs (_: nanoseconds) (builtins.intersectAttrs isDuration config.Healthcheck);
    };
  layering =
    if builtins.isString layering then
      { mode = layering; }
    else
      layering
      // optional (layering ? groups) {
        groups = map (group: group // { paths = map (path: "${path}") group.paths; }) layering.groups;
      }
      // optional (layering ? lock) { inherit lock; };
}
// optional (builtins.isString (arguments.compression or null)) {
  compression.algorithm = arguments.compression;
}
// optional (arguments ? checks) {
  checks = arguments.checks // assertedPaths;
}
// optional (arguments ? base) {
  base = import ./base.nix { inherit pkgs cooper; } {
    inherit (arguments) base;
    inherit platform;
  };
}
