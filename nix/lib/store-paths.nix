# The store paths that a value mentions anywhere, in packages, commands or file texts:
# what an image's closure is made of.
#
# Nix keeps with a string which derivations and sources it came from, but not where in
# it they stand. So the paths are found in the text, and cut to the names that those
# derivations have: a full stop after a path in a text is then not taken for its end.
# A path written out by hand, which Nix knows nothing of, is not in the image.
#
# What is addressed by its content has no path yet: in its place stands a hash, for which Nix
# writes the path, in the graph too, once that is built.
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
  # In the letters of Nix's base 32. Without a derivation behind it, it stands for nothing.
  unbuilt = if context == { } then [ ] else matches "/[0-9a-df-np-sv-z]{52}";
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
      }) (builtins.concatMap cut found ++ unbuilt)
    )
  );
in
map (path: builtins.appendContext path context) paths
