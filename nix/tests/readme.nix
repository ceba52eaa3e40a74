# lib/README.md has a row for every argument and preset, and for no other.
let
  lines = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile ../lib/README.md));
  after = heading: lines: if lines == [ ] || builtins.head lines == heading then lines else after heading (builtins.tail lines);
  # The rows under a heading, up to the next one: the name in the first column.
  rows =
    heading:
    let
      go =
        rest:
        if rest == [ ] || builtins.match "#+ .*" (builtins.head rest) != null then
          [ ]
        else
          let
            cell = builtins.match "[|] `([^`]+)` [|].*" (builtins.head rest);
          in
          (if cell == null then [ ] else cell) ++ go (builtins.tail rest);
    in
    builtins.sort (a: b: a < b) (go (builtins.tail (after heading lines)));
in
[
  {
    name = "the README lists buildImage's arguments";
    actual = rows "## buildImage";
    expected = (import ../lib/arguments.nix).image.names;
  }
  {
    name = "the README lists the arguments of a set, and those of an index";
    actual = map rows [ "## buildImageSet" "## buildImageIndex" ];
    expected = [ [ "created" "images" "name" ] [ "created" "images" ] ];
  }
  {
    name = "the README lists the checks";
    actual = rows "### checks";
    expected = builtins.sort (a: b: a < b) (import ../lib/arguments.nix).checks;
  }
  {
    name = "the README lists the presets";
    actual = rows "### presets";
    expected = builtins.attrNames (import ../lib/presets.nix { pkgs = { }; });
  }
]
