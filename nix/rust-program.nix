# A package of one program out of a workspace of ours. Its tests are cargo's, outside of Nix.
{ pkgs }:
{
  name,
  # Of the workspace: what its source is called, its folder, and what of it is left out.
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
    src = import ./source.nix {
      name = source;
      path = workspace;
      filter = path: _: !(builtins.elem (baseNameOf path) without);
    };
    cargoLock.lockFile = workspace + "/Cargo.lock";
    cargoBuildFlags = [
      select
      name
    ];
    doCheck = false;
    meta.mainProgram = name;
  }
  // settings
)
