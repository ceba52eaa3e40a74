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

  # As cooper finds it: arm64 is v8 unless it says otherwise.
  names =
    platform:
    let
      bare = "${platform.os}/${platform.architecture}";
      variant = if platform.variant or null == null then [ ] else [ "${bare}/${platform.variant}" ];
    in
    variant ++ [ bare ] ++ (if platform.architecture == "arm64" then [ "${bare}/v8" ] else [ ]);
in
{
  inherit file content;
  image =
    platform:
    let
      found = builtins.filter (name: content.platforms ? ${name}) (names platform);
    in
    if found == [ ] then
      throw "cooper: ${file} has nothing for ${builtins.head (names platform)}; it has ${builtins.concatStringsSep ", " (builtins.attrNames content.platforms)}"
    else
      content.platforms.${builtins.head found};
}
