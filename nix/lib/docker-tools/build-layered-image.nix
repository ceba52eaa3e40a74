# buildLayeredImage: the image as an archive that `docker load` takes.
{ make, streamLayeredImage }:
arguments:
make {
  function = "buildLayeredImage";
  inherit arguments;
  contents = arguments.contents or [ ];
  how = "link";
}
// {
  stream = streamLayeredImage (builtins.removeAttrs arguments [ "compressor" ]);
}
