# The outputs of the flake on one system. `pkgs` has only the attributes of nix/nixpkgs-attrs.nix.
{
  pkgs,
  mkLib,
  # The outputs of the flakes in examples/, with this flake as their input.
  examples,
}:
let
  cooper = import ./package.nix { inherit pkgs; };
  demo = import ./demo.nix { inherit pkgs; };
  onLinux = builtins.match ".*-linux" pkgs.stdenv.hostPlatform.system != null;
  images = import ./images.nix { inherit pkgs mkLib; } { };
  # Images contain Linux programs.
  ofLinux = attributes: if onLinux then attributes else { };
in
{
  packages = {
    inherit cooper;
    default = cooper;
  }
  // ofLinux (images // { inherit (demo) backend grafana-plugin; });

  apps = ofLinux (import ./apps.nix { inherit pkgs cooper images; });
  checks = ofLinux (
    import ./checks.nix {
      inherit pkgs images;
      examples = builtins.mapAttrs (
        _: example: example.packages.${pkgs.stdenv.hostPlatform.system}
      ) examples;
    }
  );

  devShells.default = pkgs.mkShell {
    packages = [
      pkgs.cargo
      pkgs.rustc
      pkgs.rustfmt
      pkgs.clippy
      pkgs.buildPackages.jq
    ];
  };

  formatter = pkgs.buildPackages.writeShellScriptBin "cooper-fmt" ''
    export PATH=${pkgs.cargo}/bin:${pkgs.rustfmt}/bin:$PATH
    for manifest in Cargo.toml demo/Cargo.toml nix/programs/Cargo.toml; do
      cargo fmt --all --manifest-path "$manifest"
    done
    ${if pkgs ? nixfmt then "git ls-files -z '*.nix' | xargs -0 ${pkgs.nixfmt}/bin/nixfmt" else ""}
  '';
}
