# Ready parts of an image, asked for by name: each is a piece of buildImage's arguments,
# and what the caller writes wins over it.
{ pkgs }:
{
  # The authorities where OpenSSL, Go, Rust's and Java's libraries look for them.
  ca-certificates =
    let
      bundle = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
    in
    {
      symlinks."/etc/ssl/certs/ca-certificates.crt" = bundle;
      symlinks."/etc/ssl/certs/ca-bundle.crt" = bundle;
      env.SSL_CERT_FILE = "/etc/ssl/certs/ca-bundle.crt";
    };

  tzdata.symlinks."/usr/share/zoneinfo" = "${pkgs.tzdata}/share/zoneinfo";

  # Names for the ids that every system knows, and where host names are looked up.
  nss = {
    users.root = {
      uid = 0;
      gid = 0;
      home = "/root";
      shell = "/sbin/nologin";
      description = "root";
    };
    users.nobody = {
      uid = 65534;
      gid = 65534;
      home = "/";
      shell = "/sbin/nologin";
      description = "nobody";
    };
    groups.root.gid = 0;
    groups.nogroup.gid = 65534;
    files."/etc/nsswitch.conf".text = "passwd: files\ngroup: files\nhosts: files dns\n";
  };

  tmp.directories."/tmp".mode = "1777";

  # For scripts that start with `#!/usr/bin/env`; with it come coreutils.
  env.symlinks."/usr/bin/env" = "${pkgs.coreutils}/bin/env";

  # A static shell without programs of its own.
  sh.symlinks."/bin/sh" = "${pkgs.busybox-sandbox-shell}/bin/busybox";
}
