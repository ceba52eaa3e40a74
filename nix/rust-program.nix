# A package of one program out of a workspace of ours. Its tests are cargo's, outside of Nix.
{ pkgs }:
{
  name,
  # Of rust-source.nix.
  source,
  workspace,
  without,
  # How cargo is told which program: `--bin` or `--package`.
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
