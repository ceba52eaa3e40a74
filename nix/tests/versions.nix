# The oldest Nix and nixpkgs: what is refused, and that every file has the same numbers.
let
  versions = import ../versions.nix;
  outputs = set: (import ../../flake.nix).outputs {
    self = outputs set;
    nixpkgs = set;
  };
  system = "x86_64-linux";
  debian = import ../debian { buildSystem = system; };
  # Evaluates to true if the flake gives its packages.
  evaluates = value: (builtins.tryEval (builtins.seq value true)).success;
  packagesOf = lib: (outputs ({ legacyPackages.${system} = debian; } // lib)).packages.${system};
  imagesOf = lib: (outputs { legacyPackages.${system} = debian; }).lib.mkLib (debian // lib);
  old = {
    lib.version = "25.05.20250601.abcdef0";
  };

  contains = text: part: builtins.length (builtins.split part text) > 1;
  problem = nix: nixpkgs: expected: {
    name = "Nix ${nix} with ${if nixpkgs == null then "packages without a version" else "nixpkgs ${nixpkgs}"}";
    actual = versions.problem nix nixpkgs;
    inherit expected;
  };
  has = file: part: {
    name = "${baseNameOf file} has ${part}";
    actual = contains (builtins.readFile file) part;
    expected = true;
  };
in
[
  (problem "2.7.0" null "cooper needs Nix 2.8 or newer, and this is Nix 2.7.0")
  (problem "2.3.16" "26.05" "cooper needs Nix 2.8 or newer, and this is Nix 2.3.16")
  (problem "2.8.0" null null)
  (problem "2.8.0" "26.05.20260917.cf9d2fb" "nixpkgs needs Nix 2.18 or newer, and this is Nix 2.8.0")
  (problem "2.17.1" "26.05pre-git" "nixpkgs needs Nix 2.18 or newer, and this is Nix 2.17.1")
  (problem "2.18.0" "26.05" null)
  (problem "2.91.1" "26.05" null)
  (problem "2.34.8" "25.11.20251201.abcdef0" null)
  (problem "2.34.8" "25.11pre-git" null)
  (problem "2.34.8" "25.05.20250601.abcdef0"
    "cooper needs nixpkgs 25.11 or newer, for Rust 1.90, and this is nixpkgs 25.05.20250601.abcdef0"
  )
  (problem "2.34.8" "9.11" "cooper needs nixpkgs 25.11 or newer, for Rust 1.90, and this is nixpkgs 9.11")
  (problem "2.34.8" "a fork" null)
  {
    name = "the flake evaluates with packages without a version";
    actual = evaluates (packagesOf { });
    expected = true;
  }
  {
    name = "the flake refuses an old nixpkgs";
    actual = evaluates (packagesOf old);
    expected = false;
  }
  {
    name = "mkLib refuses packages of an old nixpkgs";
    actual = map (lib: evaluates ((imagesOf lib).buildImage { name = "x"; }).drvPath) [
      old
      { lib = { }; }
    ];
    expected = [
      false
      true
    ];
  }
  {
    name = "Cargo.toml has the Rust that the oldest nixpkgs is chosen by";
    actual = (builtins.fromTOML (builtins.readFile ../../Cargo.toml)).package.rust-version;
    expected = versions.rust;
  }
  (has ../run "nix_for_nixpkgs=${versions.nixForNixpkgs}")
  (has ../run "nix_for_debian=${versions.nix}\n")
  (has ../../README.md "Nix ${versions.nixForNixpkgs}")
  (has ../../README.md "Nix ${versions.nix} ")
  (has ../../README.md "nixpkgs ${versions.nixpkgs}")
]
