# A starter for one of the host's Rust tools, as a package.
. "$findRust"
mkdir -p "$out/bin"
printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v "$name")" >"$out/bin/$name"
chmod +x "$out/bin/$name"
