# A flake with its own backend and Grafana plugin in the images that cooper's flake builds of its demo,
# and with one more image.
{
  description = "Images of this flake's packages, built by cooper";

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

          # A package of another flake is, for example, betrace.packages.${system}.backend.
          backend = pkgs.rustPlatform.buildRustPackage {
            pname = "orders";
            version = "1.0.0";
            src = ./backend;
            cargoLock.lockFile = ./backend/Cargo.lock;
            # cargo's default is in HOME, which must not exist where Nix builds without a sandbox.
            preBuild = "export CARGO_HOME=$NIX_BUILD_TOP/cargo-home";
            meta.mainProgram = "orders";
          };
          grafana-plugin = pkgs.runCommand "orders-app-1.0.0" { plugin = ./plugin; } ''
            cp -r "$plugin" "$out"
          '';
          images = lib.images {
            inherit backend grafana-plugin;
            source = "https://example.org/orders";
            revision = self.rev or "dirty";
            # For machines that prune images by age; it costs another digest with each commit.
            # created = self.lastModifiedDate;
          };
        in
        {
          inherit backend grafana-plugin;
          inherit (images) backend-docker grafana-with-plugin plugin-init;

          # The same image with explicit contents.
          orders = lib.buildImage {
            name = "orders";
            tag = "1.0.0";
            contents = [ backend ];
            presets = [
              "ca-certificates"
              "tmp"
            ];
            config = {
              Entrypoint = [ "${backend}/bin/orders" ];
              User = "65532:65532";
              ExposedPorts = [ "8080/tcp" ];
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
