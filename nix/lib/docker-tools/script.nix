# The text of a builder's script, with the functions that these share.
file: builtins.readFile ./environment.sh + builtins.readFile file
