# The attributes that are not one Debian package each: build helpers, and packages
# whose contents nixpkgs lays out differently.
{
  runScript,
  packages,
  buildSystem,
  # nixpkgs' option of that name.
  structuredAttrsByDefault,
  libc,
  fakeroot,
  jq,
  sqlite,
}:
let
  byDefault = if structuredAttrsByDefault then { __structuredAttrs = true; } else { };
  writeShellScriptBin =
    name: text:
    runScript (
      byDefault
      // {
        inherit name text;
        script = ./write-script.sh;
        meta.mainProgram = name;
      }
    );
  # A package that nixpkgs makes by callPackage.
  package = attributes: import ./make-overridable.nix ({ }: runScript attributes) { };
in
{
  inherit writeShellScriptBin;

  runCommand =
    name: environment: commands:
    runScript (
      byDefault
      // environment
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
  cacert = package {
    pname = "cacert";
    version = packages.version "ca-certificates";
    script = ./cacert.sh;
    authorities = packages.packages.ca-certificates;
  };

  # nixpkgs' is a static shell without programs of its own, so that a script in an
  # image finds the image's. Debian's busybox prefers the programs that it has inside;
  # its static bash has none.
  busybox-sandbox-shell = package {
    pname = "static-shell";
    version = packages.version "bash-static";
    script = ./static-shell.sh;
    shell = packages.packages.bash-static;
  };

  # Zones link to each other and to nothing else: the package's own folder will do.
  tzdata = package {
    pname = "tzdata";
    version = "${packages.version "tzdata"}-share";
    script = ./share.sh;
    package = packages.packages.tzdata;
  };

  # Its script looks for its parts where Debian has them; the host's programs load its library.
  fakeroot = package {
    pname = "fakeroot";
    version = packages.version "fakeroot";
    script = ./fakeroot.sh;
    environment = fakeroot;
  };

  # Build tools run on hosts that lack their libraries: they bring those, and a loader. The first
  # output is not `out`, as in nixpkgs.
  jq = package {
    pname = "jq";
    version = packages.version "jq";
    outputs = [
      "bin"
      "out"
    ];
    script = ./wrap.sh;
    program = "jq";
    environment = jq;
  };
  sqlite = package {
    pname = "sqlite";
    version = packages.version "sqlite3";
    outputs = [
      "bin"
      "out"
    ];
    script = ./wrap.sh;
    program = "sqlite3";
    environment = sqlite;
  };

  glibc = package {
    pname = "glibc";
    version = packages.version "libc6";
    outputs = [
      "out"
      "static"
    ];
    script = ./glibc.sh;
    inherit libc;
  };
  removeReferencesTo = package {
    name = "remove-references-to";
    script = ./remove-references-to.sh;
  };

  # A machine that uses this set has these.
  nix = package {
    name = "nix-of-the-host";
    script = ./host.sh;
    programs = [ "nix-store" ];
  };
  shadow = package {
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
