# One bundle of the authorities that Debian trusts, where nixpkgs has it.
mkdir -p "$out/etc/ssl/certs"
cat "$authorities"/usr/share/ca-certificates/mozilla/*.crt >"$out/etc/ssl/certs/ca-bundle.crt"
