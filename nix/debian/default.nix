# The package set: attribute names and arguments of nixpkgs, contents of Debian.
#
# Builders run on `buildSystem`, programs on `hostSystem`. The two differ only in `pkgsCross`:
# unpacking does not need the foreign processor, so one machine can build images for both
# architectures from real packages.
{
  # The name in nixpkgs: `import nixpkgs { system = …; config = …; }`.
  system ? null,
  buildSystem ? system,
  hostSystem ? buildSystem,
  # The only supported option is `structuredAttrsByDefault`.
  config ? { },
  # "musl" is for evaluation only: Debian has no packages for it.
  libc ? "glibc",
}:
let
  architectures = {
    x86_64-linux = "amd64";
    aarch64-linux = "arm64";
  };
  architecture =
    architectures.${hostSystem}
      or (throw "nix/debian: no Debian packages for ${hostSystem}; expected one of ${builtins.concatStringsSep ", " (builtins.attrNames architectures)}");

  lock = (builtins.fromJSON (builtins.readFile ./lock.json)).${architecture};
  platformOf = system: {
    inherit system libc;
    config = "${builtins.head (builtins.split "-" system)}-unknown-linux-${if libc == "musl" then "musl" else "gnu"}";
    isMusl = libc == "musl";
  };
  hostPlatform = platformOf hostSystem;
  runScript = import ./run-script.nix {
    system = buildSystem;
    platformInName = if hostSystem == buildSystem then "" else "-${hostPlatform.config}";
  };
  packages = import ./packages.nix { inherit lock architecture runScript; };
  environment = import ./environment.nix { inherit runScript packages; };

  table = import ./table.nix;
  environments = builtins.mapAttrs (name: roots: environment { inherit name roots; }) table;

  rust = import ./rust {
    inherit runScript hostSystem buildSystem;
    runtime = packages.closure (table.libc ++ table.libgcc);
    linker = ./environment.pl;
  };
  tools = import ./tools.nix {
    inherit runScript packages buildSystem;
    inherit (environments) fakeroot jq libc sqlite;
    structuredAttrsByDefault = config.structuredAttrsByDefault or false;
  };
  set = arguments: import ./. ({ inherit buildSystem config libc; } // arguments);
in
environments
// tools
// {
  inherit (packages) pinned;
  # A package whose output is a link to another package; nixpkgs has such packages.
  bashInteractive =
    runScript {
      name = "bash-interactive-${environments.bash.version}";
      script = ./link.sh;
      package = environments.bash;
    }
    // {
      inherit (environments.bash) version meta;
      pname = "bash-interactive";
    };
  debianPackages = packages.packages;
  system = hostSystem;
  glibc =
    if libc == "glibc" then
      tools.glibc
    else
      throw "nix/debian: ${hostPlatform.config} has no glibc; its C library is ${libc}";
  stdenv = {
    inherit hostPlatform;
    buildPlatform = platformOf buildSystem;
  };
  lib = import ./lib.nix;

  inherit (rust)
    rustPlatform
    cargo
    rustc
    rustfmt
    clippy
    ;

  # Packages for the machine that builds.
  buildPackages = set { };
  pkgsCross.aarch64-multiplatform = set { hostSystem = "aarch64-linux"; };
  pkgsCross.gnu64 = set { hostSystem = "x86_64-linux"; };

  # For evaluation only: the contents are Debian's packages for the machine that builds.
  pkgsMusl = set { libc = "musl"; };
  pkgsi686Linux =
    let
      platform = platformOf "i686-linux";
    in
    set { }
    // {
      inherit (platform) system;
      stdenv = {
        hostPlatform = platform;
        buildPlatform = platform;
      };
    };
}
