# buildImage's arguments that dockerTools' functions take too.
[
  "annotations"
  "checks"
  "configFragments"
  "directories"
  "files"
  "groups"
  "layering"
  "presets"
  "symlinks"
  "users"
]
