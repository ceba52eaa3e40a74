# Reads the lock of a base image during evaluation and selects the image of a platform.
lock:
let
  name = baseNameOf (toString lock);
  hint = "write it with `cooper lock NAME:TAG -o ${name}`";
  exists =
    builtins.pathExists lock
    || throw "cooper: ${toString lock} does not exist; ${hint}, and run `git add` if the flake is in git";
  file = assert exists; "${lock}";
  parsed = assert exists; builtins.fromJSON (builtins.readFile lock);
  content =
    if builtins.isAttrs parsed && (parsed.version or null) == 1 && parsed ? platforms then
      parsed
    else
      throw "cooper: ${file} is not a base image lock of a known version; ${hint}";

  # Each variant runs the programs of the variants after it. `defaults` has the variant of a name
  # without one. src/spec/platform.rs has the whole rule.
  variants = {
    arm = [
      "v8"
      "v7"
      "v6"
      "v5"
    ];
    arm64 = [
      "v9"
      "v8"
    ];
    amd64 = [
      "v4"
      "v3"
      "v2"
      "v1"
    ];
  };
  defaults = {
    arm = "v7";
    arm64 = "v8";
    amd64 = "v1";
  };

  nameOf =
    platform:
    "${platform.os}/${platform.architecture}"
    + (if platform.variant or null == null then "" else "/${platform.variant}");

  names =
    platform@{ architecture, ... }:
    let
      bare = "${platform.os}/${architecture}";
      default = defaults.${architecture} or null;
      wanted = if platform.variant or null == null then default else platform.variant;
      from =
        list: if list == [ ] || builtins.head list == wanted then list else from (builtins.tail list);
      lower = from (variants.${architecture} or [ ]);
      known = if lower == [ ] && wanted != null then [ wanted ] else lower;
      named = variant: [ "${bare}/${variant}" ] ++ (if variant == default then [ bare ] else [ ]);
    in
    builtins.concatMap named known
    ++ [ bare ]
    ++ (if architecture == "arm64" then [ "${bare}/v8" ] else [ ]);
in
{
  inherit file content;
  image =
    platform:
    let
      found = builtins.filter (name: content.platforms ? ${name}) (names platform);
    in
    if found == [ ] then
      throw "cooper: ${file} has no image for ${nameOf platform}; its platforms are ${builtins.concatStringsSep ", " (builtins.attrNames content.platforms)}"
    else
      content.platforms.${builtins.head found};
}
