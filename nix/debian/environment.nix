# What the user sees of a package: a tree of links to it and to everything it needs,
# laid out as Debian programs expect it under `/` (loader in /lib64, libraries in
# /lib and /usr/lib), with nixpkgs' `bin` and `share` on top.
{ runScript, packages }:
import ./make-overridable.nix (
  { name, roots }:
  let
    version = packages.version (builtins.head roots);
  in
  runScript {
    pname = "${name}-env";
    inherit version;
    script = ./environment.sh;
    linker = ./environment.pl;
    trees = packages.closure roots;
    passthru.pname = name;
    meta.mainProgram = name;
  }
)
