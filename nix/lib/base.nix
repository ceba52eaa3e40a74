# The image to build on, as the spec has it. Of a lock (`cooper lock` wrote it) each blob is a
# derivation of its own, fixed by its digest: what two bases share is fetched once, and what
# is in a binary cache not at all.
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
      # By its digest alone, so that any lock that names it means the same store path.
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
