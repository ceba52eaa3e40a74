# The host's $programs, wherever they are when they are run.
mkdir -p "$out/bin"
for program in $programs; do
    cat >"$out/bin/$program" <<SCRIPT
#!/bin/sh
folders="\$(echo "\$PATH" | tr : ' ') /usr/sbin /nix/var/nix/profiles/default/bin /root/.nix-profile/bin /run/current-system/sw/bin"
for folder in \$folders; do
    if [ -x "\$folder/$program" ] && [ "\$folder" != "$out/bin" ]; then exec "\$folder/$program" "\$@"; fi
done
echo "nix/debian: no $program on this machine, in none of \$folders" >&2
exit 1
SCRIPT
    chmod +x "$out/bin/$program"
done
