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
      buildNoDefaultFeatures ? false,
      buildFeatures ? [ ],
      cargoBuildFlags ? [ ],
      cargoTestFlags ? cargoBuildFlags,
      doCheck ? true,
      env ? { },
      # nixpkgs needs glibc.static here to link statically; the host's compiler has it.
      buildInputs ? [ ],
      meta ? { },
    }:
    let
      static = builtins.match ".*\\+crt-static.*" (env.RUSTFLAGS or "") != null;
      features =
        (if buildNoDefaultFeatures then [ "--no-default-features" ] else [ ])
        ++ (if buildFeatures == [ ] then [ ] else [ "--features=${builtins.concatStringsSep "," buildFeatures}" ]);
    in
    if hostSystem != buildSystem then
      throw "nix/debian: ${pname}: the host's Rust builds for ${buildSystem}, not for ${hostSystem}"
    else
      runScript (
        env
        // {
          name = "${pname}-${version}";
          script = ./build.sh;
          inherit src pname;
          inherit (cargoLock) lockFile;
          buildFlags = flags (features ++ cargoBuildFlags);
          testFlags = if doCheck then flags (features ++ cargoTestFlags) else "";
          doCheck = if doCheck then "1" else "";
          findRust = ./find-rust.sh;
          # A static program needs nothing from the image that it is put into.
          trees = if static then [ ] else runtime;
          inherit linker;
        }
      )
      // {
        inherit pname version meta;
      };

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
