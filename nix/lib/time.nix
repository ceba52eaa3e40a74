# Converts a time to RFC 3339; returns null for text in another form. The default zone is UTC.
# Fractions of a second are dropped, because image times are whole seconds. The form without
# punctuation is that of a flake's `self.lastModifiedDate`.
text:
let
  day = "([0-9]{4})-?(0[1-9]|1[0-2])-?(0[1-9]|[12][0-9]|3[01])";
  clock = "([01][0-9]|2[0-3]):?([0-5][0-9]):?([0-5][0-9]|60)";
  zone = "(Z|[+-][0-9]{2}:[0-9]{2})?";
  parts = builtins.match "${day}([T ]?${clock}([.][0-9]+)?${zone})?" text;
  at = builtins.elemAt parts;
  or' = default: value: if value == null then default else value;
in
if parts == null then
  null
else
  "${at 0}-${at 1}-${at 2}T${or' "00" (at 4)}:${or' "00" (at 5)}:${or' "00" (at 6)}${or' "Z" (at 8)}"
