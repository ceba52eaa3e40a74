# glibc in two outputs, as in nixpkgs: the files of $libc, and the archives for static linking, which
# contain glibc's store path. The host's compiler uses archives of its own.
ln -s "$libc" "$out"
mkdir -p "$static/lib"
printf '%s/lib/gconv' "$out" >"$static/lib/libc.a"
