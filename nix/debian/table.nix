# packages.txt as an attribute set: attribute → Debian packages.
let
  lines = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile ./packages.txt));
  words =
    line: builtins.filter (word: builtins.isString word && word != "") (builtins.split "[ ]+" line);
  rows = builtins.filter (
    row: row != [ ] && builtins.match "[#!].*" (builtins.head row) == null
  ) (map words lines);
in
builtins.listToAttrs (
  map (row: {
    name = builtins.head row;
    value = builtins.tail row;
  }) rows
)
