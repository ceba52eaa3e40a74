# streamLayeredImage: a script that writes the image to standard output; no archive is
# kept. Its layers are plain: a pipe into a daemon does not benefit from compression.
{ pkgs, make }:
arguments: attributes:
let
  image = make {
    function = "streamLayeredImage";
    inherit arguments;
    attributes = builtins.intersectAttrs {
      meta = null;
      passthru = null;
    } attributes;
    contents = arguments.contents or [ ];
    how = "link";
    settings.compressor = "none";
  };
in
pkgs.runCommand (attributes.name or "stream-${baseNameOf image.imageName}") (
  {
    program = image.stream;
  }
  // builtins.removeAttrs attributes [
    "meta"
    "name"
    "passthru"
  ]
) ''
  cp "$program"/bin/* "$out"
''
// image.passthru
// {
  inherit (image)
    passthru
    spec
    load
    push
    layout
    imageName
    imageTag
    image
    meta
    ;
  # How nixpkgs tells scripts from archives.
  isExe = true;
}
