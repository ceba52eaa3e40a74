# One bundle of the certificate authorities that Debian trusts, at the path of nixpkgs' cacert.
mkdir -p "$out/etc/ssl/certs"
cat "$authorities"/usr/share/ca-certificates/mozilla/*.crt >"$out/etc/ssl/certs/ca-bundle.crt"
