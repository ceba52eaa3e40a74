# A program from Nix on an image from a registry, which base.lock.json pins.
{
  description = "An image on a base image, built by cooper";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    cooper.url = "github:betracehq/cooper";
    cooper.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      cooper,
    }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      perSystem =
        make:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = make system nixpkgs.legacyPackages.${system};
          }) systems
        );
      base = "docker.io/library/debian:12";
    in
    {
      # nix run .#lock
      apps = perSystem (
        system: pkgs: {
          lock = {
            type = "app";
            program = "${pkgs.buildPackages.writeShellScriptBin "lock" ''
              exec ${cooper.packages.${system}.cooper}/bin/cooper lock ${base} -o base.lock.json
            ''}/bin/lock";
            meta.description = "Pin ${base} in base.lock.json";
          };
        }
      );

      packages = perSystem (
        _: pkgs:
        let
          lib = cooper.lib.mkLib pkgs;
        in
        {
          redis = lib.buildImage {
            name = "redis";
            base.lock = ./base.lock.json;
            directories."/data" = {
              uid = 999;
              gid = 999;
            };
            config = {
              Entrypoint = [ "${pkgs.redis}/bin/redis-server" ];
              User = "999:999";
              WorkingDir = "/data";
              ExposedPorts = [ "6379/tcp" ];
            };
          };
        }
      );
    };
}
