# glibc in two outputs, as nixpkgs divides it: $libc's files, and the archives for static linking,
# in which glibc's own path stands. The host's compiler has its own archives.
ln -s "$libc" "$out"
mkdir -p "$static/lib"
printf '%s/lib/gconv' "$out" >"$static/lib/libc.a"
