# The store paths in a value, for example in packages, commands or texts of files: the roots of an
# image's closure.
#
# The context of a string has the derivations and sources that it refers to, but not their positions.
# So the paths are found in the text and cut to the names of those derivations: a full stop after a
# path does not become part of it. A path without context is not in the image.
#
# A content-addressed output has a placeholder hash in place of its path. Nix replaces the hash by the
# path after the build, also in the references graph.
value:
let
  text = builtins.toJSON value;
  context = builtins.getContext text;
  plain = builtins.unsafeDiscardStringContext text;
  prefix = "${builtins.storeDir}/";

  startsWith = start: string: builtins.substring 0 (builtins.stringLength start) string == start;
  # "/nix/store/<32 characters>-name" → "name"
  nameOf =
    path: builtins.substring (builtins.stringLength prefix + 33) (builtins.stringLength path) path;

  outputNames =
    source: entry:
    let
      name = nameOf (builtins.unsafeDiscardStringContext source);
      stem = builtins.substring 0 (builtins.stringLength name - 4) name;
    in
    if entry ? outputs then
      map (output: if output == "out" then stem else "${stem}-${output}") entry.outputs
    else
      [ name ];
  longestFirst = builtins.sort (a: b: builtins.stringLength a > builtins.stringLength b);
  known = longestFirst (
    builtins.concatLists (map (source: outputNames source context.${source}) (builtins.attrNames context))
  );

  matches =
    pattern:
    builtins.concatMap (part: if builtins.isList part then part else [ ]) (builtins.split "(${pattern})" plain);
  found = matches "${prefix}[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+";
  # Placeholders are in Nix's base 32. Text without context has none.
  placeholders = if context == { } then [ ] else matches "/[0-9a-df-np-sv-z]{52}";
  cut =
    path:
    let
      name = nameOf path;
      fitting = builtins.filter (candidate: startsWith candidate name) known;
    in
    if fitting == [ ] then
      [ ]
    else
      [
        (builtins.substring 0 (
          builtins.stringLength path - builtins.stringLength name + builtins.stringLength (builtins.head fitting)
        ) path)
      ];
  paths = builtins.attrNames (
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = null;
      }) (builtins.concatMap cut found ++ placeholders)
    )
  );
in
map (path: builtins.appendContext path context) paths
