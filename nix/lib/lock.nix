# A base image's lock, read while Nix evaluates: which blobs it takes for a platform.
lock:
let
  name = baseNameOf (toString lock);
  written = "write it with `cooper lock NAME:TAG -o ${name}`";
  there =
    builtins.pathExists lock
    || throw "cooper: there is no ${toString lock}; ${written}, and `git add` it where the flake is in git";
  file = assert there; "${lock}";
  read = assert there; builtins.fromJSON (builtins.readFile lock);
  content =
    if builtins.isAttrs read && (read.version or null) == 1 && read ? platforms then
      read
    else
      throw "cooper: ${file} is no lock of a base image that this cooper reads; ${written}";

  # The variants of which each runs the programs of those after it, and the one that a name without
  # a variant stands for. src/spec/platform.rs has the whole rule.
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
  bases = {
    arm = "v7";
    arm64 = "v8";
    amd64 = "v1";
  };

  shown =
    platform:
    "${platform.os}/${platform.architecture}"
    + (if platform.variant or null == null then "" else "/${platform.variant}");

  names =
    platform@{ architecture, ... }:
    let
      bare = "${platform.os}/${architecture}";
      base = bases.${architecture} or null;
      wanted = if platform.variant or null == null then base else platform.variant;
      from =
        list: if list == [ ] || builtins.head list == wanted then list else from (builtins.tail list);
      lower = from (variants.${architecture} or [ ]);
      known = if lower == [ ] && wanted != null then [ wanted ] else lower;
      named = variant: [ "${bare}/${variant}" ] ++ (if variant == base then [ bare ] else [ ]);
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
      throw "cooper: ${file} has nothing for ${shown platform}; it has ${builtins.concatStringsSep ", " (builtins.attrNames content.platforms)}"
    else
      content.platforms.${builtins.head found};
}
