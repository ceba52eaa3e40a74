# The attributes that are not one Debian package each: build helpers, and packages
# whose contents nixpkgs lays out differently.
{
  runScript,
  packages,
  buildSystem,
  fakeroot,
  jq,
  sqlite,
}:
let
  writeShellScriptBin =
    name: text:
    runScript {
      inherit name text;
      script = ./write-script.sh;
    }
    // {
      meta.mainProgram = name;
    };
in
{
  inherit writeShellScriptBin;

  runCommand =
    name: environment: commands:
    runScript (
      environment
      // {
        inherit name commands;
        script = ./run-command.sh;
      }
    );

  # `packages` are in PATH of `nix develop`; the rest is the host's.
  mkShell =
    {
      packages ? [ ],
      name ? "nix-shell",
    }:
    derivation {
      inherit name;
      system = buildSystem;
      outputs = [ "out" ]; # `nix develop` looks for the variable
      builder = "/bin/bash";
      args = [
        "-c"
        "echo this derivation is entered with nix develop, not built; exit 1"
      ];
      PATH = builtins.concatStringsSep ":" (
        map (package: "${package}/bin") packages
        ++ [ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
      );
    };

  # nixpkgs' cacert is one file of all authorities, which Debian makes on installing.
  cacert = runScript {
    name = "cacert-${packages.version "ca-certificates"}";
    script = ./cacert.sh;
    authorities = packages.packages.ca-certificates;
  };

  # nixpkgs' is a static shell without programs of its own, so that a script in an
  # image finds the image's. Debian's busybox prefers the programs that it has inside;
  # its static bash has none.
  busybox-sandbox-shell = runScript {
    name = "static-shell-${packages.version "bash-static"}";
    script = ./static-shell.sh;
    shell = packages.packages.bash-static;
  };

  # Zones link to each other and to nothing else: the package's own folder will do.
  tzdata = runScript {
    name = "tzdata-${packages.version "tzdata"}-share";
    script = ./share.sh;
    package = packages.packages.tzdata;
  };

  # Its script looks for its parts where Debian has them; the host's programs load its library.
  fakeroot = runScript {
    name = "fakeroot-${packages.version "fakeroot"}";
    script = ./fakeroot.sh;
    environment = fakeroot;
  };

  # Build tools run on hosts that lack their libraries: they bring those, and a loader.
  jq = runScript {
    name = "jq-${packages.version "jq"}";
    script = ./wrap.sh;
    program = "jq";
    environment = jq;
  };
  sqlite = runScript {
    name = "sqlite-${packages.version "sqlite3"}";
    script = ./wrap.sh;
    program = "sqlite3";
    environment = sqlite;
  };

  # A machine that uses this set has these.
  nix = runScript {
    name = "nix-of-the-host";
    script = ./host.sh;
    programs = [ "nix-store" ];
  };
  shadow = runScript {
    name = "shadow-of-the-host";
    script = ./host.sh;
    programs = [
      "useradd"
      "usermod"
      "userdel"
      "groupadd"
      "groupmod"
      "groupdel"
    ];
  };
}
