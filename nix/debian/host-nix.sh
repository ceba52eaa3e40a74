# The host's Nix, wherever it is when it is asked for: a machine that uses this set has one.
mkdir -p "$out/bin"
cat >"$out/bin/nix-store" <<'SCRIPT'
#!/bin/sh
for folder in $(echo "$PATH" | tr : ' ') /nix/var/nix/profiles/default/bin /root/.nix-profile/bin /run/current-system/sw/bin; do
    if [ -x "$folder/nix-store" ]; then exec "$folder/nix-store" "$@"; fi
done
echo "nix/debian: no nix-store on this machine; it was looked for in $PATH and Nix's profiles" >&2
exit 1
SCRIPT
chmod +x "$out/bin/nix-store"
