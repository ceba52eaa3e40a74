{
  description = "cooper: OCI images from Nix store paths, without a daemon";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      # nix/debian has no packages for Darwin; outputs that need none exist there too.
      withPackages = builtins.filter (
        system: (versions.check nixpkgs).legacyPackages ? ${system}
      ) (linux ++ darwin);
      perSystem =
        systems: make:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = make system;
          }) systems
        );

      versions = import ./nix/versions.nix;
      nixpkgsAttrs = import ./nix/nixpkgs-attrs.nix;
      outputsBySystem = perSystem withPackages (
        system:
        import ./nix {
          pkgs = nixpkgsAttrs.restrict nixpkgs.legacyPackages.${system};
          inherit (self.lib) mkLib;
          examples = builtins.listToAttrs (
            map (name: {
              inherit name;
              value = (import (./examples + "/${name}/flake.nix")).outputs {
                inherit nixpkgs;
                self = null;
                cooper = self;
              };
            }) (import ./nix/example-names.nix)
          );
        }
      );

      # This flake's packages for a machine of that system. A machine of x86_64-linux also builds
      # derivations for i686-linux.
      cooperFor =
        system:
        let
          machine = if system == "i686-linux" then "x86_64-linux" else system;
        in
        (outputsBySystem.${machine}
          or (throw "cooper: the packages of mkLib are built on ${system}, for which this flake has no cooper; it has one for ${builtins.concatStringsSep ", " withPackages}. Build on one of those; a cross set, for example `nixpkgs.legacyPackages.x86_64-linux.pkgsCross.riscv64`, has packages for other machines")
        ).packages;
    in
    {
      # mkLib pkgs: buildImage and the other functions, for the caller's packages.
      lib.mkLib =
        pkgs:
        assert
          pkgs ? stdenv.buildPlatform.system
          || throw "cooper: mkLib expects a package set, for example `nixpkgs.legacyPackages.x86_64-linux`, not a ${builtins.typeOf pkgs}";
        import ./nix/lib {
          pkgs = nixpkgsAttrs.restrict pkgs;
          cooper = cooperFor pkgs.stdenv.buildPlatform.system;
        }
        // {
          images = import ./nix/images.nix {
            pkgs = nixpkgsAttrs.restrict pkgs;
            inherit (self.lib) mkLib;
          };
        };

      packages = builtins.mapAttrs (_: parts: parts.packages) outputsBySystem;
      checks = builtins.mapAttrs (_: parts: parts.checks) outputsBySystem;
      devShells = builtins.mapAttrs (_: parts: parts.devShells) outputsBySystem;
      formatter = builtins.mapAttrs (_: parts: parts.formatter) outputsBySystem;
      apps =
        builtins.mapAttrs (_: parts: parts.apps) outputsBySystem
        // perSystem darwin (system: import ./nix/darwin.nix { inherit system; });

      templates = {
        default = {
          path = ./examples/consumer;
          description = "Images of your packages";
        };
        from-dockertools = {
          path = ./examples/from-dockertools;
          description = "Migration from nixpkgs' dockerTools";
        };
        from-nix2container = {
          path = ./examples/from-nix2container;
          description = "Migration from nix2container";
        };
        on-a-base = {
          path = ./examples/on-a-base;
          description = "An image on a base image that a lock pins";
        };
      };
    };
}
