# A flake that built its images with nixpkgs' dockerTools; one line has changed.
{
  description = "Images of nixpkgs' dockerTools, built by cooper";

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
      forSystem =
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          # Before: inherit (pkgs) dockerTools;
          dockerTools = (cooper.lib.mkLib pkgs).dockerTools;
        in
        {
          redis = dockerTools.buildLayeredImage {
            name = "redis";
            tag = "latest";
            contents = [
              pkgs.redis
              dockerTools.fakeNss
              dockerTools.caCertificates
            ];
            extraCommands = ''
              mkdir -m 1777 tmp
              mkdir data
            '';
            # directories."/data" = { uid = 999; gid = 999; } does the same without a script.
            fakeRootCommands = ''
              chown -R 999:999 data
            '';
            config = {
              Cmd = [ "/bin/redis-server" ];
              User = "999:999";
              WorkingDir = "/data";
              Volumes."/data" = { };
              ExposedPorts."6379/tcp" = { };
            };
          };

          shell = dockerTools.buildImage {
            name = "shell";
            copyToRoot = [
              pkgs.bash
              pkgs.coreutils
              dockerTools.usrBinEnv
            ];
            created = "2026-01-31";
            config.Cmd = [ "/bin/bash" ];
          };

          prometheus-stream = dockerTools.streamLayeredImage {
            name = "prometheus";
            tag = "latest";
            contents = [ pkgs.prometheus ];
            files."/etc/prometheus/prometheus.yml".source = ./prometheus.yml;
            config = {
              Entrypoint = [ "/bin/prometheus" ];
              # Without the first, Prometheus looks for a file in its working directory.
              Cmd = [
                "--config.file=/etc/prometheus/prometheus.yml"
                "--storage.tsdb.path=/prometheus"
              ];
              ExposedPorts."9090/tcp" = { };
              Volumes."/prometheus" = { };
            };
          };
        };
    in
    {
      packages = builtins.listToAttrs (
        map (system: {
          name = system;
          value = forSystem system;
        }) systems
      );
    };
}
