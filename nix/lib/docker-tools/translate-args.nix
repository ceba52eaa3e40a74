# Translates dockerTools' arguments to cooper's, except the tag and arguments that need a build.
arguments:
let
  optional = condition: attributes: if condition then attributes else { };
  isGiven = name: (arguments.${name} or null) != null;

  given = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = arguments.${name};
    }) (builtins.filter (name: arguments ? ${name}) (import ./extra-args.nix))
  );

  # Arguments of a command may be packages or paths. As in Go, a key with the value null does not exist,
  # and a port or volume with the value null exists.
  config =
    let
      written =
        if isGiven "config" then
          builtins.removeAttrs arguments.config (builtins.attrNames (import ../container-fields.nix))
        else
          { };
      names = builtins.filter (name: written.${name} != null) (builtins.attrNames written);
      sets = [
        "ExposedPorts"
        "Volumes"
      ];
      withoutNull =
        set:
        builtins.removeAttrs set (builtins.filter (name: set.${name} == null) (builtins.attrNames set));
      valueOf =
        name: value:
        if builtins.elem name commandKeys && builtins.isList value then
          map toText value
        else if builtins.elem name sets && builtins.isAttrs value then
          builtins.mapAttrs (_: item: if item == null then { } else item) value
        else if name == "Healthcheck" && builtins.isAttrs value then
          withoutNull value
        else
          value;
      toText = value: if builtins.isAttrs value || builtins.isPath value then "${value}" else value;
      commandKeys = [
        "Entrypoint"
        "Cmd"
        "Shell"
      ];
    in
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = valueOf name written.${name};
      }) names
    );

  layering =
    let
      own = given.layering or { };
    in
    if builtins.isString own then
      { mode = own; } // limit
    else if builtins.isAttrs own then
      own // limit
    else
      own;
  limit = optional (arguments ? maxLayers) { inherit (arguments) maxLayers; };

  # The store is not in the image, so links into it have no target.
  skipped = given.checks.skip or [ ];
  hasValidChecks = builtins.isAttrs (given.checks or { }) && builtins.isList skipped;
  unchecked = optional (!(arguments.includeStorePaths or true) && hasValidChecks) {
    checks = (given.checks or { }) // {
      skip = skipped ++ [
        "entrypoint"
        "healthcheck"
        "architecture"
        "interpreter"
      ];
    };
  };

  reference = optional (isGiven "fromImageName" && isGiven "fromImageTag") {
    reference = "${arguments.fromImageName}:${arguments.fromImageTag}";
  };
in
given
// unchecked
// {
  inherit config layering;
  name = import ../to-lower.nix arguments.name;
  includeStorePaths = arguments.includeStorePaths or true;
  compression =
    {
      gz = "gzip";
      zstd = "zstd";
      none = "none";
    }
    .${arguments.compressor or "gz"};
}
// builtins.intersectAttrs {
  created = null;
  mtime = null;
} arguments
// optional (arguments ? architecture) { platform = { inherit (arguments) architecture; }; }
// optional (isGiven "fromImage") { base = { path = arguments.fromImage; } // reference; }
