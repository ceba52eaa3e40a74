# rustPlatform with the host's Rust: this package set has no compiler, and a machine that builds
# cooper has one.
#
# buildRustPackage accepts only the arguments of nixpkgs' function that the flake uses, so that a
# call that works here works with nixpkgs.
{
  runScript,
  hostSystem,
  buildSystem,
  # The packages with the loader and the libraries that the built programs need in an image, and the
  # program that links them into one tree.
  runtime,
  linker,
}:
let
  flags = builtins.concatStringsSep " ";

  buildRustPackage =
    {
      pname,
      version,
      src,
      cargoLock,
      cargoBuildFlags ? [ ],
      cargoTestFlags ? cargoBuildFlags,
      doCheck ? true,
      env ? { },
      # As in nixpkgs, HOME is a directory that does not exist, and CARGO_HOME is not set. cargo would
      # create HOME, and Nix refuses to build without a sandbox if HOME exists; so a package sets
      # CARGO_HOME here.
      preBuild ? "",
      # Commands that run once the programs are in $out/bin.
      postInstall ? "",
      # nixpkgs needs glibc.static here to link statically. The host's compiler has archives of its
      # own. As in nixpkgs, the linked program contains the path of their glibc.
      buildInputs ? [ ],
      # Programs for postFixup.
      nativeBuildInputs ? [ ],
      # Directories whose programs lose all symbols; other programs lose the debug symbols.
      stripAllList ? [ ],
      postFixup ? "",
      allowedReferences ? null,
      meta ? { },
      passthru ? { },
    }:
    let
      static = builtins.match ".*\\+crt-static.*" (env.RUSTFLAGS or "") != null;
      common = env // {
        inherit (cargoLock) lockFile;
        inherit preBuild;
        crates = if hasDependencies then crates else "";
        writeStubs = ./write-stubs.sh;
        buildFlags = flags cargoBuildFlags;
        findRust = ./find-rust.sh;
        cargoSettings = ./settings.sh;
      };

      hasDependencies =
        builtins.length (builtins.split "\nsource = " (builtins.readFile cargoLock.lockFile)) > 1;

      # The inputs of the compiled dependencies. Null if the source cannot be read during evaluation;
      # the package and its dependencies are then compiled together.
      filtered = builtins.isAttrs src && src ? origSrc && src ? filter;
      manifests =
        if !hasDependencies || !(filtered || builtins.isPath src) then
          null
        else
          builtins.path {
            name = "${pname}-manifests";
            path = if filtered then src.origSrc else src;
            filter =
              path: type:
              (!filtered || src.filter path type)
              && (
                type == "directory"
                || builtins.elem (baseNameOf path) [
                  "Cargo.toml"
                  "Cargo.lock"
                ]
              );
          };
      crates = runScript {
        name = "${pname}-crates-${version}";
        script = ./crates.sh;
        findRust = ./find-rust.sh;
        writeStubs = ./write-stubs.sh;
        inherit (cargoLock) lockFile;
        manifests = if manifests == null then src else manifests;
      };
      dependencies = runScript (
        common
        // {
          name = "${pname}-dependencies-${version}.tar";
          script = ./dependencies.sh;
          inherit manifests;
        }
      );
    in
    if hostSystem != buildSystem then
      throw "nix/debian: ${pname}: the host's Rust builds for ${buildSystem}, not for ${hostSystem}"
    else
      runScript (
        common
        // {
          inherit
            pname
            version
            src
            postInstall
            buildInputs
            nativeBuildInputs
            stripAllList
            postFixup
            meta
            passthru
            ;
          script = ./build.sh;
          testFlags = if doCheck then flags cargoTestFlags else "";
          doCheck = if doCheck then "1" else "";
          # A static program needs no files of the image that contains it.
          trees = if static then [ ] else runtime;
          inherit linker;
          dependencies = if manifests == null then "" else dependencies;
        }
        // (if allowedReferences == null then { } else { inherit allowedReferences; })
      );

  # A tool of the host as a package, for development shells.
  tool =
    name:
    runScript {
      inherit name;
      script = ./tool.sh;
      findRust = ./find-rust.sh;
    };
in
{
  rustPlatform = { inherit buildRustPackage; };
  cargo = tool "cargo";
  rustc = tool "rustc";
  rustfmt = tool "rustfmt";
  clippy = tool "clippy-driver";
}
