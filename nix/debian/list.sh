# The pinned files, one a line.
printf '%s\n' $debs >"$out"
