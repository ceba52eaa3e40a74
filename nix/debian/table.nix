# The table of packages.txt as an attribute set: attribute → Debian packages.
let
  lines = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile ./packages.txt));
  cells =
    line: builtins.filter (cell: builtins.isString cell && cell != "") (builtins.split "[ ]+" line);
  rows = builtins.filter (
    row: row != [ ] && builtins.match "[#!].*" (builtins.head row) == null
  ) (map cells lines);
in
builtins.listToAttrs (
  map (row: {
    name = builtins.head row;
    value = builtins.tail row;
  }) rows
)
