# cooper itself. Image derivations run it too, so every change of its sources rebuilds them; their
# outputs are the same bytes unless the change is one of digests.
{ pkgs }:
let
  root = toString ../.;
  manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;
in
pkgs.rustPlatform.buildRustPackage {
  inherit (manifest) version;
  pname = "cooper";
  src = import ./source.nix {
    name = "cooper-source";
    path = ../.;
    # Cargo accepts a manifest whose tests and benches are missing, as long as it does not build them.
    filter =
      path: _:
      dirOf path != root
      || builtins.elem (baseNameOf path) [
        "Cargo.toml"
        "Cargo.lock"
        "src"
      ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  # The tests need daemons and registries: `make test` runs them.
  doCheck = false;
  # The default is in HOME, and Nix refuses to build without a sandbox where HOME exists.
  preBuild = "export CARGO_HOME=$NIX_BUILD_TOP/cargo-home";
  meta = {
    inherit (manifest) description;
    mainProgram = "cooper";
  };
}
