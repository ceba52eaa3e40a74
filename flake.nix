{
  description = "cooper: OCI images out of Nix store paths, without a daemon";

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
      # nix/debian has no packages for Darwin; what needs none is there all the same.
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

      # The programs that assemble images on a machine of that system. One of x86_64-linux also
      # builds what is for i686-linux.
      cooperFor =
        system:
        let
          machine = if system == "i686-linux" then "x86_64-linux" else system;
        in
        (outputsBySystem.${machine}
          or (throw "cooper: mkLib's packages are built on ${system}, and there is no cooper for it; there is one for ${builtins.concatStringsSep ", " withPackages}. Build on one of those; a cross set, such as `nixpkgs.legacyPackages.x86_64-linux.pkgsCross.riscv64`, has packages for other machines")
        ).packages;
    in
    {
      # mkLib pkgs: buildImage and its like for the caller's own packages.
      lib.mkLib =
        pkgs:
        assert
          pkgs ? stdenv.buildPlatform.system
          || throw "cooper: mkLib wants a package set, such as `nixpkgs.legacyPackages.x86_64-linux`; this is none";
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
          description = "Images of your own packages";
        };
        from-dockertools = {
          path = ./examples/from-dockertools;
          description = "Images that nixpkgs' dockerTools made until now";
        };
        from-nix2container = {
          path = ./examples/from-nix2container;
          description = "Images that nix2container made until now";
        };
        on-a-base = {
          path = ./examples/on-a-base;
          description = "An image on another one, which a lock pins";
        };
      };
    };
}
