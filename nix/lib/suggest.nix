# The end of a message about an unknown name: the most similar known name if the edit distance is at
# most a third of the length, otherwise all known names.
let
  characters = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
  least = a: b: if a < b then a else b;

  # The Levenshtein distance.
  distance =
    from: to:
    let
      target = characters to;
      first = builtins.genList (i: i) (builtins.length target + 1);
      nextRow =
        row: letter:
        builtins.foldl' (
          new: column:
          let
            above = builtins.elemAt row (column + 1);
            left = builtins.elemAt new column;
            diagonal = builtins.elemAt row column;
            change = if builtins.elemAt target column == letter then 0 else 1;
          in
          new ++ [ (least (least (above + 1) (left + 1)) (diagonal + change)) ]
        ) [ (builtins.head row + 1) ] (builtins.genList (i: i) (builtins.length target));
    in
    builtins.elemAt (builtins.foldl' nextRow first (characters from)) (builtins.length target);
in
name: known:
let
  ranked = builtins.sort (a: b: a.distance < b.distance) (
    map (candidate: {
      inherit candidate;
      distance = distance name candidate;
    }) known
  );
  best = builtins.head ranked;
in
if known != [ ] && best.distance * 3 <= builtins.stringLength name + 2 then
  "; did you mean `${best.candidate}`?"
else
  "; expected one of ${builtins.concatStringsSep ", " known}"
