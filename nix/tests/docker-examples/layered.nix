# buildLayeredImage and streamLayeredImage: what comes to `/` is linked there.
{
  pkgs,
  dockerTools,
  foreign,
}:
let
  inherit (import ./packages.nix { inherit pkgs; })
    hello
    script
    shell
    text
    ;
  inherit (dockerTools) buildLayeredImage streamLayeredImage;
  nginxRoot = text "nginx-root" "index.html" "<h1>Hello from NGINX</h1>\n";
  nginxArguments = {
    name = "nginx-container";
    tag = "latest";
    contents = [
      dockerTools.fakeNss
      pkgs.nginx
      (text "nginx-conf" "etc/nginx.conf" ''
        user nobody nobody;
        daemon off;
        error_log /dev/stdout info;
        pid /var/cache/nginx/pid;
        events {}
        http {
          access_log /dev/stdout;
          server {
            listen 18088;
            location / { root ${nginxRoot}; }
          }
        }
      '')
    ];
    extraCommands = "mkdir -p tmp/nginx_client_body var/log/nginx var/cache/nginx var/lib/nginx run";
    config = {
      Cmd = [ "nginx" "-c" "/etc/nginx.conf" ];
      ExposedPorts."18088/tcp" = { };
    };
  };
  helloOnRoot = {
    tag = "latest";
    contents = [ hello ];
    config.Cmd = [ "hello" ];
  };
in
{
  nginx = buildLayeredImage nginxArguments;
  nginx-stream = streamLayeredImage (nginxArguments // { name = "nginx-stream"; });

  layered = buildLayeredImage {
    name = "layered";
    tag = "latest";
    extraCommands = ''echo "(extraCommand)" >extraCommands'';
    config.Cmd = [ "${hello}/bin/hello" ];
    contents = [ hello pkgs.bash pkgs.coreutils ];
  };
  # Its layers, as far as they hold the same, are those of `layered`.
  another-layered = buildLayeredImage {
    name = "another-layered";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
    contents = [ hello pkgs.bash pkgs.coreutils ];
  };
  bash-layered-uncompressed = buildLayeredImage {
    name = "bash-layered-uncompressed";
    tag = "latest";
    compressor = "none";
    contents = pkgs.bash;
  };
  bash-layered-zstd = buildLayeredImage {
    name = "bash-layered-zstd";
    tag = "latest";
    compressor = "zstd";
    contents = pkgs.bash;
  };
  bash-no-tag-layered = buildLayeredImage {
    name = "bash-no-tag-layered";
    contents = pkgs.bashInteractive;
  };
  bash-no-tag-stream = streamLayeredImage {
    name = "bash-no-tag-stream";
    contents = pkgs.bashInteractive;
  };

  two-layered = buildLayeredImage {
    name = "two-layered";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
    contents = [ pkgs.bash hello ];
    maxLayers = 2;
  };
  # More packages than layers: none may be missing.
  bulk-layer = buildLayeredImage {
    name = "bulk-layer";
    tag = "latest";
    contents = [ pkgs.coreutils hello ];
    maxLayers = 2;
  };

  # Copied by a command, a program leaves nothing in the store.
  no-store-paths = buildLayeredImage {
    name = "no-store-paths";
    tag = "latest";
    extraCommands = ''
      mkdir bin
      cp ${shell}/bin/busybox bin/sh
      ${hello}/bin/hello >greeting
    '';
  };

  # A script in the store that reads another file of the store.
  files-in-store = buildLayeredImage {
    name = "files-in-store";
    tag = "latest";
    contents = [ pkgs.coreutils (script "myscript" "cat ${text "somefile" "data" "some data"}/data") ];
    config.Cmd = [ "myscript" ];
  };

  dated-layered = buildLayeredImage {
    name = "dated-layered";
    tag = "latest";
    contents = [ hello ];
    created = "2026-01-31";
    mtime = "2026-02-01";
  };

  # The accounts come as files of a package.
  with-user = buildLayeredImage {
    name = "with-user";
    tag = "latest";
    contents = [
      pkgs.bash
      pkgs.coreutils
      (text "passwd" "etc/passwd" "root:x:0:0::/root:/bin/bash\nsomebody:x:999:999::/home/somebody:\n")
      (text "group" "etc/group" "root:x:0:\nsomebody:x:999:\n")
    ];
  };

  # A store path that is a link to another one, and that nothing else names.
  store-symlink =
    let
      target = text "target" "dir/target" "what it holds does not matter";
      symlink = pkgs.runCommand "symlink" { inherit target; } ''ln -s "$target" "$out"'';
    in
    buildLayeredImage {
      name = "store-symlink";
      tag = "latest";
      contents = [ pkgs.bash pkgs.coreutils symlink ];
    };

  prefixed-layered = buildLayeredImage {
    name = "registry.example.org/team/layered-image";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
  };

  # Owners by a script, as nixpkgs has them …
  owners-by-script = streamLayeredImage {
    name = "owners";
    tag = "latest";
    contents = [ pkgs.coreutils hello ];
    extraCommands = "mkdir -p home/alice";
    fakeRootCommands = ''
      chmod 0750 ./home/alice
      chown -R 1000 ./home/alice
      touch testfile
      chown 12345:12345 testfile
      ln -s ${hello} ./hello
    '';
    config.Cmd = [ "stat" "-c" "%u:%g" "/testfile" ];
  };
  # … with other operations that only root may do.
  owners-by-script-alone = buildLayeredImage {
    name = "owners-by-script-alone";
    tag = "latest";
    fakeRootCommands = ''
      mkdir -p home/alice srv
      echo "no secret" >home/alice/key
      chmod 0600 home/alice/key
      chown -R 1000:50 home/alice
      chown 0:12345 srv
      chmod 2775 srv
      install -m 4711 ${hello}/bin/hello ping
      ln -s ../home/alice srv/link
    '';
  };
  # … and as data.
  owners = buildLayeredImage {
    name = "owners";
    tag = "latest";
    contents = [ pkgs.coreutils hello ];
    directories."/home/alice" = { mode = "0750"; uid = 1000; };
    files."/testfile" = { text = ""; uid = 12345; gid = 12345; };
    symlinks."/hello" = "${hello}";
    config.Cmd = [ "stat" "-c" "%u:%g" "/testfile" ];
  };
  # All ways in which files are declared, and nothing else.
  owners-alone = buildLayeredImage {
    name = "owners-alone";
    tag = "latest";
    directories."/home/alice" = { mode = "0750"; uid = 1000; };
    files."/etc/app/key" = { text = "no secret"; mode = "0600"; uid = 12345; gid = 12345; };
    files."/bin/ping" = {
      source = "${hello}/bin/hello";
      capabilities = [ "cap_net_raw=ep" ];
      mode = "0755";
    };
    symlinks."/srv/link" = "../home/alice";
    users.alice = { uid = 1000; home = "/home/alice"; };
    groups.staff = { gid = 50; members = [ "alice" ]; };
    presets = [ "tmp" "nss" ];
    config = {
      User = "1000:50";
      Env.HOME = "/home/alice";
      ExposedPorts = [ "8080/tcp" ];
      Volumes = [ "/home/alice" ];
      WorkingDir = "/home/alice";
      Labels."org.example.kind" = "test";
      StopSignal = "SIGINT";
    };
  };
  presets = buildLayeredImage {
    name = "presets";
    tag = "latest";
    # For the C library, which env needs.
    contents = [ pkgs.bash ];
    presets = [ "ca-certificates" "tzdata" "nss" "tmp" "sh" "env" ];
    config.User = "65534:65534";
    config.Cmd = [
      "/bin/sh"
      "-c"
      ''test -r "$SSL_CERT_FILE" && test -r /usr/share/zoneinfo/Europe/Berlin && /usr/bin/env bash -c : && : >/tmp/mine && IFS=: && while read -r name _ id _; do [ "$id" != 65534 ] || echo "$name"; done </etc/passwd''
    ];
  };
  # … and a chroot, or a system's modules, for these.
  etc = streamLayeredImage {
    name = "etc";
    tag = "latest";
    contents = [ pkgs.coreutils ];
    files."/etc/app/hosts".text = "127.0.0.1 localhost\n";
    config.Cmd = [ "cat" "/etc/app/hosts" ];
  };

  hello-on-root = streamLayeredImage (helloOnRoot // { name = "hello-on-root"; });
  hello-without-store = streamLayeredImage (
    helloOnRoot
    // {
      name = "hello-without-store";
      includeStorePaths = false;
    }
  );

  with-path-layered = streamLayeredImage {
    name = "with-path-layered";
    tag = "latest";
    contents = [ ./tree pkgs.bash ];
  };
  with-architecture-layered = streamLayeredImage {
    name = "with-architecture-layered";
    tag = "latest";
    architecture = "arm64";
    contents = [ ./tree ];
  };
  nothing-layered = streamLayeredImage {
    name = "nothing-layered";
    tag = "latest";
  };
}
