# A flake that replaces the input `nixpkgs` of cooper's flake:
#   nix build --override-input nixpkgs path:./nix/debian .#backend-docker
# README.md has the reason, default.nix the package set.
{
  description = "Debian's packages under the attribute names of nixpkgs";

  outputs =
    { self }:
    {
      lib = import ./lib.nix;
      legacyPackages = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value = import ./. { buildSystem = system; };
          })
          [
            "x86_64-linux"
            "aarch64-linux"
          ]
      );
    };
}
