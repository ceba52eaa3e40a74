# The presets. Each has arguments of buildImage; the caller's arguments override them.
{ pkgs }:
{
  # Certificate authorities at the paths that OpenSSL, Go, and the libraries of Rust and Java read.
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

  # Names of the ids that every system has, and the sources of host names.
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

  # For scripts that start with `#!/usr/bin/env`; this adds coreutils to the image.
  env.symlinks."/usr/bin/env" = "${pkgs.coreutils}/bin/env";

  # A static shell without applets.
  sh.symlinks."/bin/sh" = "${pkgs.busybox-sandbox-shell}/bin/busybox";
}
