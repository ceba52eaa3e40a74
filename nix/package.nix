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
  postInstall = ''
    # completions_for SHELL DIRECTORY NAME
    completions_for() {
      mkdir -p "$out/share/$2"
      "$out/bin/cooper" completions "$1" >"$out/share/$2/$3"
    }
    completions_for bash bash-completion/completions cooper
    completions_for fish fish/vendor_completions.d cooper.fish
    completions_for zsh zsh/site-functions _cooper
    "$out/bin/cooper" man "$out/share/man/man1"
  '';
  meta = {
    inherit (manifest) description;
    homepage = manifest.repository;
    # An entry of nixpkgs' lib.licenses has these attributes.
    license = {
      spdxId = manifest.license;
      fullName = "MIT License";
      free = true;
    };
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
      "x86_64-darwin"
      "aarch64-darwin"
    ];
    mainProgram = "cooper";
  };
}
