# The programs of `nix run` on a Mac: images hold Linux programs, so they say how to get a
# machine that builds those. Made without a package set, for not each has one for Darwin.
{ system }:
let
  linux = builtins.replaceStrings [ "darwin" ] [ "linux" ] system;
  message = ''
    #!/bin/sh
    cat >&2 <<'TEXT'
    error: images hold Linux programs, and this machine builds for ${system}
    hint: give Nix a Linux builder, then build the images for ${linux}:
      1. nix run nixpkgs#darwin.linux-builder        (leave it running; or with nix-darwin:
         nix.linux-builder.enable = true;)
      2. name it in /etc/nix/nix.conf:
         builders = ssh-ng://builder@linux-builder ${linux} /etc/nix/builder_ed25519
      3. nix build .#packages.${linux}.backend-docker && docker load < result
    TEXT
    exit 1
  '';
  program = derivation {
    name = "no-linux-builder";
    inherit system message;
    builder = "/bin/sh";
    args = [
      "-c"
      ''printf %s "$message" >"$out" && /bin/chmod +x "$out"''
    ];
  };
  # Names take no packages.
  names = builtins.attrNames (
    import ./apps.nix {
      pkgs = { };
      cooper = null;
      images = import ./images.nix {
        pkgs = { };
        mkLib = null;
      } { };
    }
  );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = {
      type = "app";
      program = "${program}";
      meta.description = "Say how images are built on a Mac";
    };
  }) names
)
