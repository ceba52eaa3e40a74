# The small static programs that images carry, a package each: an image that wants the
# health probe should not hold the copier too.
{ pkgs }:
let
  program =
    name:
    pkgs.rustPlatform.buildRustPackage {
      pname = name;
      version = "0.1.0";
      src = import ./source.nix {
        name = "image-programs-source";
        path = ./programs;
        filter = path: _: baseNameOf path != "target" && baseNameOf path != "tests";
      };
      cargoLock.lockFile = ./programs/Cargo.lock;
      cargoBuildFlags = [
        "--bin"
        name
      ];
      doCheck = false;
      # Static, and not relocatable: the tables for that are a twentieth of so small a program.
      env.RUSTFLAGS = "-C target-feature=+crt-static -C relocation-model=static";
      buildInputs = [ pkgs.glibc.static ];
      meta.mainProgram = name;
    };
in
{
  healthprobe = program "healthprobe";
  cp = program "cp";
}
