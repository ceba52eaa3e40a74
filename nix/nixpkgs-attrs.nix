# Every attribute of nixpkgs that this flake uses, and nothing else.
#
# `nix/` gets its package set from this file, so attributes that are not listed here cannot be used.
# Listed ones must exist in both package sets: nixpkgs, and nix/debian, which has the same names and
# arguments; tests/nixpkgs-attrs.nix compares them. Two are optional, because Debian lacks them: the
# demo has a replacement of `grafana`, and without `nixfmt` the formatter skips Nix files.
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
      set.${name} or (throw "cooper: the package set lacks `${path}`; nix/nixpkgs-attrs.nix lists the required attributes")
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
