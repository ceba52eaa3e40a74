# writeShellScriptBin: writes $text to the executable bin/$name.
mkdir -p "$out/bin"
printf '#!/bin/bash\n%s\n' "$text" >"$out/bin/$name"
chmod +x "$out/bin/$name"
