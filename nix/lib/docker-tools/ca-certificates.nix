# caCertificates: the authorities at the places where programs of the usual distributions
# look for them.
{ pkgs }:
pkgs.runCommand "ca-certificates" { bundle = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; } ''
  mkdir -p "$out/etc/ssl/certs" "$out/etc/pki/tls/certs"
  ln -s "$bundle" "$out/etc/ssl/certs/ca-bundle.crt"
  ln -s "$bundle" "$out/etc/ssl/certs/ca-certificates.crt"
  ln -s "$bundle" "$out/etc/pki/tls/certs/ca-bundle.crt"
''
