# The package set: attribute names and argument shapes of nixpkgs, contents from Debian.
#
# `buildSystem` runs the builders, `hostSystem` runs the programs. They differ only in
# `pkgsCross`: unpacking needs no foreign processor, so a machine of one kind can make
# images for the other out of real packages.
{
  buildSystem,
  hostSystem ? buildSystem,
}:
let
  architectures = {
    x86_64-linux = "amd64";
    aarch64-linux = "arm64";
  };
  architecture =
    architectures.${hostSystem}
      or (throw "nix/debian: no Debian packages for ${hostSystem}; there are ${toString (builtins.attrNames architectures)}");

  lock = (builtins.fromJSON (builtins.readFile ./lock.json)).${architecture};
  runScript = import ./run-script.nix { system = buildSystem; };
  packages = import ./packages.nix { inherit lock architecture runScript; };
  environment = import ./environment.nix { inherit runScript packages; };

  table = import ./table.nix;
  environments = builtins.mapAttrs (name: roots: environment { inherit name roots; }) table;

  rust = import ./rust {
    inherit runScript hostSystem buildSystem;
    runtime = packages.closure (table.libc ++ table.libgcc);
    linker = ./environment.pl;
  };
in
environments
// import ./tools.nix {
  inherit runScript packages buildSystem;
  inherit (environments) fakeroot jq sqlite;
}
// {
  inherit (packages) pinned;
  bashInteractive = environments.bash;
  debianPackages = packages.packages;
  system = hostSystem;
  glibc.static = environments.libc;
  stdenv = {
    hostPlatform.system = hostSystem;
    buildPlatform.system = buildSystem;
  };

  inherit (rust)
    rustPlatform
    cargo
    rustc
    rustfmt
    clippy
    ;

  # Programs for the machine that builds.
  buildPackages = import ./. { inherit buildSystem; };
  pkgsCross.aarch64-multiplatform = import ./. {
    inherit buildSystem;
    hostSystem = "aarch64-linux";
  };
  pkgsCross.gnu64 = import ./. {
    inherit buildSystem;
    hostSystem = "x86_64-linux";
  };
}
