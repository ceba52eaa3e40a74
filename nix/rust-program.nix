# A package of one program of a workspace in this repository. Its tests run with cargo, outside of Nix.
{ pkgs }:
{
  name,
  # Of rust-source.nix.
  source,
  workspace,
  without,
  # The option of cargo that selects the program: `--bin` or `--package`.
  select,
  settings ? { },
}:
pkgs.rustPlatform.buildRustPackage (
  {
    pname = name;
    version = "0.1.0";
    src = import ./rust-source.nix { inherit source workspace without; };
    cargoLock.lockFile = workspace + "/Cargo.lock";
    cargoBuildFlags = [
      select
      name
    ];
    doCheck = false;
    # The default is in HOME, and Nix refuses to build without a sandbox where HOME exists.
    preBuild = "export CARGO_HOME=$NIX_BUILD_TOP/cargo-home";
    meta.mainProgram = name;
  }
  // settings
)
