# The small static programs that images carry, a package each: an image that wants the
# health probe should not hold the copier too.
{ pkgs }:
let
  # RUSTFLAGS replaces what stands there, and is what every buildRustPackage minds.
  settings = builtins.fromTOML (builtins.readFile ./programs/.cargo/config.toml);
  flags = builtins.concatStringsSep " " settings.target.x86_64-unknown-linux-gnu.rustflags;

  program =
    name:
    import ./rust-program.nix { inherit pkgs; } {
      inherit name;
      source = "image-programs-source";
      workspace = ./programs;
      without = [
        "target"
        "tests"
      ];
      select = "--bin";
      settings = import ./static-program.nix { inherit pkgs; } // {
        env.RUSTFLAGS = flags;
      };
    };
in
{
  healthprobe = program "healthprobe";
  cp = program "cp";
}
