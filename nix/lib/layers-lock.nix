# What `cooper plan --write-lock` wrote for an image: its layers, bottom first, as names of
# packages. Nothing for an image that the file does not have, and where there is no file yet.
file: image:
let
  read = builtins.fromJSON (builtins.readFile file);
  again = "write it again: cooper plan SPEC --repack --write-lock=${baseNameOf file}";
in
if !builtins.pathExists file then
  [ ]
else if (read.version or null) != 1 then
  throw "cooper: `layering.lock`: ${toString file} is of a version that is not known; ${again}"
else
  read.images.${image} or [ ]
