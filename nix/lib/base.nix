# The base image in the form of the spec. Each blob of a lock is a fixed-output derivation of its own:
# a blob that two bases share is fetched once, and one in a binary cache is not fetched from the
# registry.
{ pkgs, cooper }:
{ base, platform }:
let
  locked = import ./lock.nix base.lock;
  image = locked.image platform;

  blob =
    digest:
    let
      hex = builtins.substring 7 64 digest;
    in
    derivation {
      # The name depends only on the digest, so that all locks with this blob share one store path.
      name = "blob-${builtins.substring 0 12 hex}";
      inherit (pkgs.stdenv.buildPlatform) system;
      builder = "${cooper.cooper}/bin/cooper";
      args = [
        "fetch"
        "--quiet"
        "--lock"
        locked.file
        digest
        "-o"
        (placeholder "out")
      ];
      SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      outputHash = hex;
      outputHashAlgo = "sha256";
      outputHashMode = "flat";
      preferLocalBuild = true;
      impureEnvVars = [
        "http_proxy"
        "https_proxy"
        "all_proxy"
        "no_proxy"
        "REGISTRY_AUTH_FILE"
        "DOCKER_CONFIG"
      ];
    };
in
if base ? lock then
  {
    lock = locked.file;
    blobs = builtins.listToAttrs (
      map (descriptor: {
        name = descriptor.digest;
        value = "${blob descriptor.digest}";
      }) ([ image.manifest image.config ] ++ image.layers)
    );
  }
else
  base // { path = "${base.path}"; }
