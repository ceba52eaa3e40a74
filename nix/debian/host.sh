# Starters for the host's $programs, which are searched for when they run.
mkdir -p "$out/bin"
for program in $programs; do
    cat >"$out/bin/$program" <<SCRIPT
#!/bin/sh
directories="\$(echo "\$PATH" | tr : ' ') /usr/sbin /nix/var/nix/profiles/default/bin /root/.nix-profile/bin /run/current-system/sw/bin"
for directory in \$directories; do
    if [ -x "\$directory/$program" ] && [ "\$directory" != "$out/bin" ]; then exec "\$directory/$program" "\$@"; fi
done
echo "nix/debian: $program not found in \$directories" >&2
exit 1
SCRIPT
    chmod +x "$out/bin/$program"
done
