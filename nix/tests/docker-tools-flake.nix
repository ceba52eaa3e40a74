# The flake that nix/tests/run builds the images of: one for each way in which dockerTools
# lays out `/`, of two small packages that collide.
{
  inputs.nixpkgs.url = "nixpkgs";
  inputs.cooper.url = "cooper";
  inputs.cooper.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      cooper,
    }:
    let
      forSystem =
        system: pkgs:
        let
          dockerTools = (cooper.lib.mkLib pkgs).dockerTools;
          second = pkgs.runCommand "second" { } ''
            mkdir -p "$out/bin"
            echo second >"$out/bin/both"
            echo two >"$out/bin/two"
            chmod +x "$out/bin/two"
          '';
          first = pkgs.runCommand "first" { inherit second; } ''
            mkdir -p "$out/bin" "$out/nix-support"
            echo "first needs $second" >"$out/bin/both"
            ln -s bin "$out/sbin"
          '';
          contents = [
            first
            second
          ];
          extraCommands = ''
            mkdir -m 1777 tmp
            mkdir -p etc/app
            echo on >etc/app/conf
            chmod 0640 etc/app/conf
          '';
        in
        rec {
          linked = dockerTools.buildLayeredImage {
            name = "linked";
            tag = "v1";
            inherit contents extraCommands;
            compressor = "none";
            directories."/data".uid = 999;
          };
          copied = dockerTools.buildImage {
            name = "copied";
            tag = "v1";
            copyToRoot = contents;
            inherit extraCommands;
            compressor = "none";
            uid = 7;
            gid = 8;
          };
          streamed = dockerTools.streamLayeredImage {
            name = "streamed";
            tag = "v1";
            inherit contents;
          };
          based = dockerTools.buildImage {
            name = "based";
            tag = "v1";
            fromImage = linked;
            fromImageName = "linked";
            fromImageTag = "v1";
            extraCommands = "echo above >above";
            compressor = "none";
          };
          merged = dockerTools.mergeImages [
            linked
            copied
          ];
          root = dockerTools.buildImage {
            name = "root";
            runAsRoot = "mkdir /data";
          };
        };
    in
    {
      packages = builtins.mapAttrs forSystem nixpkgs.legacyPackages;
    };
}
