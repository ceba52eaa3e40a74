# The pinned files, one per line.
printf '%s\n' $debs >"$out"
