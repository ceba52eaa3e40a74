# nixpkgs' `remove-references-to -t PATH… FILE…`: replaces the hash of each path by an invalid one.
mkdir -p "$out/bin"
cat >"$out/bin/remove-references-to" <<'SCRIPT'
#!/bin/bash
set -euo pipefail
expressions=()
while getopts t: option; do
    [[ $option = t && $OPTARG =~ ([0-9a-z]{32})- ]] || { echo "-t takes a store path" >&2; exit 1; }
    expressions+=(-e "s/${BASH_REMATCH[1]}/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee/g")
done
shift $((OPTIND - 1))
sed -i "${expressions[@]}" -- "$@"
SCRIPT
chmod +x "$out/bin/remove-references-to"
