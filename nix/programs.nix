# The static programs for images, one package each, so that an image with the health probe does not
# contain `cp`.
{ pkgs }:
let
  # RUSTFLAGS replaces the flags of the file, and every buildRustPackage uses it.
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
