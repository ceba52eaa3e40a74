# rustPlatform on the host's own Rust: the second package set has no compiler of its
# own, and a machine that builds cooper has one.
#
# buildRustPackage takes nixpkgs' arguments, those that the flake uses and no others,
# so that a use which works here works there.
{
  runScript,
  hostSystem,
  buildSystem,
  # The packages whose loader and libraries the built programs find in an image, and the
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
      # HOME is a directory that does not exist, as in nixpkgs, and there is no CARGO_HOME. cargo
      # makes what it lacks, so a package sets CARGO_HOME here: Nix refuses to build without a
      # sandbox where HOME exists.
      preBuild ? "",
      # Commands that run once the programs are in $out/bin.
      postInstall ? "",
      # nixpkgs needs glibc.static here to link statically. The host's compiler has the archives;
      # what is linked names their glibc, as it does in nixpkgs.
      buildInputs ? [ ],
      # Programs for postFixup.
      nativeBuildInputs ? [ ],
      # Directories whose programs lose all symbols; the others lose those for debuggers.
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

      # What decides over the dependencies; null when the source cannot be looked into while
      # Nix evaluates, and the package is compiled in one go.
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
          # A static program needs nothing from the image that it is put into.
          trees = if static then [ ] else runtime;
          inherit linker;
          dependencies = if manifests == null then "" else dependencies;
        }
        // (if allowedReferences == null then { } else { inherit allowedReferences; })
      );

  # The host's tool of that name, as a package for development shells.
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
