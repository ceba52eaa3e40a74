# dockerTools' arguments → cooper's, all but the tag and what needs a build.
arguments:
let
  time = import ./time.nix;
  optional = condition: attributes: if condition then attributes else { };
  isGiven = name: (arguments.${name} or null) != null;

  given = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = arguments.${name};
    }) (builtins.filter (name: arguments ? ${name}) (import ./own-arguments.nix))
  );

  # Words of a command may be packages or paths; a key that is null is not there.
  config =
    let
      written = if isGiven "config" then arguments.config else { };
      names = builtins.filter (name: written.${name} != null) (builtins.attrNames written);
      word = value: if builtins.isAttrs value || builtins.isPath value then "${value}" else value;
      words = [
        "Entrypoint"
        "Cmd"
        "Shell"
      ];
    in
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value =
          if builtins.elem name words && builtins.isList written.${name} then
            map word written.${name}
          else
            written.${name};
      }) names
    );

  layering =
    let
      own = given.layering or { };
    in
    (if builtins.isString own then { mode = own; } else own)
    // optional (arguments ? maxLayers) { inherit (arguments) maxLayers; };

  # Links into a store that is not in the image lead nowhere yet.
  unchecked = optional (!(arguments.includeStorePaths or true)) {
    checks = (given.checks or { }) // {
      skip = (given.checks.skip or [ ]) ++ [
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
  name = import ../small-letters.nix arguments.name;
  includeStorePaths = arguments.includeStorePaths or true;
  compression =
    {
      gz = "gzip";
      zstd = "zstd";
      none = "none";
    }
    .${arguments.compressor or "gz"};
}
// optional (arguments ? created) { created = time arguments.created; }
// optional (arguments ? mtime) { mtime = time arguments.mtime; }
// optional (arguments ? architecture) { platform = { inherit (arguments) architecture; }; }
// optional (isGiven "fromImage") { base = { path = arguments.fromImage; } // reference; }
