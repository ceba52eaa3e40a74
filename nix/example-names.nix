# The names of the flakes in examples/.
builtins.filter (name: builtins.pathExists (../examples + "/${name}/flake.nix")) (
  builtins.attrNames (builtins.readDir ../examples)
)
