# Every attribute of nixpkgs that this flake uses, and nothing else.
#
# All of `nix/` gets its packages through this file, so an attribute that is not listed
# here cannot be used, and one that is listed must be in both package sets: nixpkgs, and
# nix/debian, which has these names with the same arguments; tests/nixpkgs-attrs.nix compares.
# Two may be missing, for Debian has neither: a stand-in takes the place of `grafana`,
# and without `nixfmt` the formatter leaves Nix files alone.
let
  optional = {
    grafana = null;
    nixfmt = null;
  };
  paths = [
    "bashInteractive"
    "buildPackages.fakeroot"
    "buildPackages.jq"
    "buildPackages.nix"
    "buildPackages.removeReferencesTo"
    "buildPackages.shadow"
    "buildPackages.sqlite"
    "buildPackages.writeShellScriptBin"
    "busybox-sandbox-shell"
    "cacert"
    "cargo"
    "clippy"
    "coreutils"
    "glibc"
    "mkShell"
    "prometheus"
    "runCommand"
    "rustPlatform.buildRustPackage"
    "rustc"
    "rustfmt"
    "stdenv.buildPlatform.system"
    "stdenv.hostPlatform.libc"
    "stdenv.hostPlatform.system"
    "tzdata"
  ];

  split = path: builtins.filter builtins.isString (builtins.split "[.]" path);
  get =
    pkgs: path:
    builtins.foldl' (
      set: name:
      set.${name} or (throw "cooper: this package set has no `${path}`; nix/nixpkgs-attrs.nix lists what is needed")
    ) pkgs (split path);

  put =
    set: path: value:
    let
      name = builtins.head path;
      rest = builtins.tail path;
    in
    set // { ${name} = if rest == [ ] then value else put (set.${name} or { }) rest value; };
in
{
  inherit paths get;

  # `pkgs` with the listed attributes only.
  restrict =
    given:
    let
      pkgs = (import ./versions.nix).check given;
    in
    builtins.foldl' (set: path: put set (split path) (get pkgs path)) { } paths
    // builtins.intersectAttrs optional pkgs
    // {
      # The commands here read environment variables, also where `structuredAttrsByDefault` of
      # nixpkgs' `config` is set.
      runCommand =
        name: environment: pkgs.runCommand name ({ __structuredAttrs = false; } // environment);
    };
}
