# Converts ASCII letters to lower case.
let
  letters = text: builtins.genList (at: builtins.substring at 1 text) (builtins.stringLength text);
in
builtins.replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz")
