# A package with everything that it depends on, as one tree of links. The tree has the paths that
# Debian's programs expect below `/` (the loader in /lib64, libraries in /lib and /usr/lib), and
# nixpkgs' `bin` and `share`.
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
