# buildLayeredImage: the image as an archive that `docker load` takes.
{ make, streamLayeredImage }:
arguments: attributes:
make {
  function = "buildLayeredImage";
  inherit arguments attributes;
  contents = arguments.contents or [ ];
  how = "link";
}
// {
  stream = streamLayeredImage (builtins.removeAttrs arguments [ "compressor" ]);
}
