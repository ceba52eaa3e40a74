# A flake that built its images with nix2container; README.md has the earlier call.
{
  description = "Images of nix2container, built by cooper";

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
          lib = cooper.lib.mkLib pkgs;
        in
        {
          nginx = lib.buildImage {
            name = "nginx";
            tag = "latest";
            contents = [ pkgs.nginx ];
            presets = [
              "ca-certificates"
              "nss"
              "tmp"
            ];
            files."/etc/nginx.conf".source = ./nginx.conf;
            directories."/var/cache/nginx" = {
              mode = "0700";
              uid = 65534;
              gid = 65534;
            };
            config = {
              Entrypoint = [
                "/bin/nginx"
                "-c"
                "/etc/nginx.conf"
                "-e"
                "/dev/stderr"
              ];
              User = "65534:65534";
              ExposedPorts = [ "8080/tcp" ];
            };
            layering.maxLayers = 20;
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
