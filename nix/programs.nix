# The small static programs that images carry, a package each: an image that wants the
# health probe should not hold the copier too.
{ pkgs }:
let
  # RUSTFLAGS replaces what stands there, and is what every buildRustPackage minds.
  settings = builtins.fromTOML (builtins.readFile ./programs/.cargo/config.toml);
  flags = builtins.concatStringsSep " " settings.target.x86_64-unknown-linux-gnu.rustflags;

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
      env.RUSTFLAGS = flags;
      buildInputs = [ pkgs.glibc.static ];
      meta.mainProgram = name;
    };
in
{
  healthprobe = program "healthprobe";
  cp = program "cp";
}
