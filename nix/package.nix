# cooper itself. `core` is what image derivations run: without the code that talks to
# registries and daemons (by cargo features and by leaving those files out), so that a
# change there rebuilds no image; and linked statically, so that it runs in any builder.
{ pkgs, core }:
let
  root = toString ../.;
  inherit (pkgs.stdenv.hostPlatform) system;
  onLinux = builtins.match ".*-linux" system != null;

  wanted = [
    "Cargo.toml"
    "Cargo.lock"
    "src"
  ];

  # What `core` leaves out is said once, in the sources: modules behind a cargo feature.
  gatedIn =
    dir:
    let
      parts = builtins.split "#.cfg[^\n]*feature = [^\n]*\n *(pub |pub[(][a-z]+[)] )?mod ([a-z_]+);" (
        builtins.readFile (../. + "/${dir}/mod.rs")
      );
      modules = map (part: builtins.elemAt part 1) (builtins.filter builtins.isList parts);
    in
    builtins.concatMap (module: [
      "${dir}/${module}.rs"
      "${dir}/${module}"
    ]) modules;
  moving = gatedIn "src/transport" ++ gatedIn "src/cli";
  within = dirs: path: builtins.any (dir: path == dir || startsWith "${dir}/" path) dirs;
  startsWith = start: text: builtins.substring 0 (builtins.stringLength start) text == start;

  src = import ./source.nix {
    name = if core then "cooper-core-source" else "cooper-source";
    path = ../.;
    filter =
      path: _:
      let
        relative = builtins.substring (builtins.stringLength root + 1) (builtins.stringLength path) path;
      in
      within wanted relative && !(core && (within moving relative || baseNameOf path == "tests.rs"));
  };
in
pkgs.rustPlatform.buildRustPackage (
  {
    pname = if core then "cooper-core" else "cooper";
    version = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package.version;
    inherit src;
    cargoLock.lockFile = ../Cargo.lock;
    buildNoDefaultFeatures = core;
    # The tests need daemons and registries: `make test` runs them.
    doCheck = false;
    # The default is in HOME, and Nix refuses to build without a sandbox where HOME exists.
    preBuild = "export CARGO_HOME=$NIX_BUILD_TOP/cargo-home";
    meta = {
      description = "Assembles OCI images from Nix store paths, without a daemon";
      mainProgram = "cooper";
    };
  }
  // (
    if core && onLinux then
      {
        env.RUSTFLAGS = "-C target-feature=+crt-static";
        inherit (import ./static-program.nix { inherit pkgs; }) buildInputs;
      }
    else
      { }
  )
)
