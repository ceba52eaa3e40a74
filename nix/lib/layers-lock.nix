# The entry of an image in the file of `cooper plan --write-lock`: its layers, bottom first, as names
# of packages. The entry is empty if the file does not exist or lacks the image.
file: image:
let
  parsed = builtins.fromJSON (builtins.readFile file);
  hint = "write it again with `cooper plan SPEC --repack --write-lock=${baseNameOf file}`";
in
if !builtins.pathExists file then
  [ ]
else if (parsed.version or null) != 1 then
  throw "cooper: `layering.lock`: ${toString file} has an unknown version; ${hint}"
else
  parsed.images.${image} or [ ]
