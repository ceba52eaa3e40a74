# buildImage: as buildLayeredImage, but what comes to `/` is copied there, not linked.
{ make }:
arguments: attributes:
let
  contents = arguments.copyToRoot or null;
  deprecated = arguments.contents or null;
in
assert
  contents == null
  || deprecated == null
  || throw "cooper: buildImage ${builtins.toJSON arguments.name}: `contents` is the old name of `copyToRoot`; write one of the two";
make {
  function = "buildImage";
  inherit arguments attributes;
  contents = if contents == null then deprecated else contents;
  how = if arguments.keepContentsDirlinks or false then "dirlinks" else "copy";
  uid = arguments.uid or 0;
  gid = arguments.gid or 0;
}
// {
  buildArgs = arguments;
}
