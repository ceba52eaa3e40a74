# streamLayeredImage: a script that writes the image to standard output; no archive is
# kept. Its layers are plain: who pipes them into a daemon has no use for compression.
{ pkgs, make }:
arguments:
let
  image = make {
    function = "streamLayeredImage";
    inherit arguments;
    contents = arguments.contents or [ ];
    how = "link";
    settings.compressor = "none";
  };
in
pkgs.runCommand "stream-${baseNameOf image.imageName}" { program = image.stream; } ''
  cp "$program"/bin/* "$out"
''
// image.image.passthru
// {
  inherit (image)
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
