# What the user sees of a package: a tree of links to it and to everything it needs,
# laid out as Debian programs expect it under `/` (loader in /lib64, libraries in
# /lib and /usr/lib), with nixpkgs' `bin` and `share` on top.
{ runScript, packages }:
{ name, roots }:
runScript {
  name = "${name}-env-${packages.version (builtins.head roots)}";
  script = ./environment.sh;
  linker = ./environment.pl;
  trees = packages.closure roots;
}
// {
  pname = name;
  version = packages.version (builtins.head roots);
  meta.mainProgram = name;
}
