# The OCI platform of a package set.
pkgs:
let
  platforms = {
    x86_64-linux.architecture = "amd64";
    aarch64-linux.architecture = "arm64";
    i686-linux.architecture = "386";
    riscv64-linux.architecture = "riscv64";
    powerpc64le-linux.architecture = "ppc64le";
    s390x-linux.architecture = "s390x";
    armv7l-linux = {
      architecture = "arm";
      variant = "v7";
    };
    armv6l-linux = {
      architecture = "arm";
      variant = "v6";
    };
  };
  inherit (pkgs.stdenv.hostPlatform) system;
in
platforms.${system}
  or (throw "cooper: images need packages for Linux, and these are for ${system}; call mkLib with packages for Linux, for example nixpkgs.legacyPackages.x86_64-linux, or set `platform`")
