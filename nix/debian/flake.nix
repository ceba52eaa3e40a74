# Debian's packages in the shape of nixpkgs, as far as cooper's flake uses it:
#   nix build --override-input nixpkgs path:./nix/debian .#backend-docker
# default.nix says how a Debian package becomes a store path; README.md why.
{
  description = "Debian's own packages, in the shape of nixpkgs";

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
