# Attributes that are not environments of Debian packages: build helpers, and packages with another
# layout in nixpkgs.
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
  # A package that nixpkgs calls with callPackage, and that has `override`.
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

  # `nix develop` has `packages` in PATH, before the directories of the host.
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
        "echo this derivation is for nix develop and cannot be built >&2; exit 1"
      ];
      PATH = builtins.concatStringsSep ":" (
        map (package: "${package}/bin") packages
        ++ [ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
      );
    };

  # nixpkgs' cacert is one file with all authorities; Debian writes it when the package is installed.
  cacert = package {
    pname = "cacert";
    version = packages.version "ca-certificates";
    script = ./cacert.sh;
    authorities = packages.packages.ca-certificates;
  };

  # nixpkgs' package is a static shell without applets, so that a script in an image runs the
  # image's programs. Debian's busybox prefers its applets; its static bash has none.
  busybox-sandbox-shell = package {
    pname = "static-shell";
    version = packages.version "bash-static";
    script = ./static-shell.sh;
    shell = packages.packages.bash-static;
  };

  # Links of zones point only to other zones, so a link to the package's directory is enough.
  tzdata = package {
    pname = "tzdata";
    version = "${packages.version "tzdata"}-share";
    script = ./share.sh;
    package = packages.packages.tzdata;
  };

  # Debian's script searches for its library in /usr/lib; the host's programs load that library.
  fakeroot = package {
    pname = "fakeroot";
    version = packages.version "fakeroot";
    script = ./fakeroot.sh;
    environment = fakeroot;
  };

  # Build tools run on hosts that lack their libraries, so these packages include them and a loader.
  # As in nixpkgs, the first output is not `out`.
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

  # Every machine that uses this package set has these programs.
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
