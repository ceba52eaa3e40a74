# The oldest versions of Nix and of nixpkgs that the flake works with.
rec {
  # With nix/debian, which is evaluated by Debian 12's Nix.
  nix = "2.8";
  # lib/minver.nix of nixpkgs 25.11 and 26.05.
  nixForNixpkgs = "2.18";
  # The first release whose Rust is not older than `rust`.
  nixpkgs = "25.11";
  # `rust-version` in Cargo.toml.
  rust = "1.90";

  # The error for a Nix of that version and for packages whose `lib.version` is the given one, or
  # null. A package set without it, such as nix/debian, has no minimum.
  problem =
    nixVersion: version:
    let
      # "25.11pre-git" counts as 25.11.
      release = builtins.match "([0-9]+[.][0-9]+).*" version;
      isOlder = present: needed: builtins.compareVersions present needed < 0;
    in
    if isOlder nixVersion nix then
      "cooper needs Nix ${nix} or newer, and this is Nix ${nixVersion}"
    else if version == null then
      null
    else if isOlder nixVersion nixForNixpkgs then
      "nixpkgs needs Nix ${nixForNixpkgs} or newer, and this is Nix ${nixVersion}"
    else if release != null && isOlder (builtins.head release) nixpkgs then
      "cooper needs nixpkgs ${nixpkgs} or newer, for Rust ${rust}, and this is nixpkgs ${version}"
    else
      null;

  # The given package set, or flake of package sets.
  check =
    packages:
    let
      found = problem builtins.nixVersion (packages.lib.version or null);
    in
    if found == null then packages else throw found;
}
