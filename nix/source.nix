# A filtered source, in the shape that nixpkgs' `lib.cleanSourceWith` gives: who gets it may
# look at it without a copy in the store (nix/debian looks for manifests).
{
  name,
  path,
  filter,
}:
{
  inherit name filter;
  origSrc = path;
  outPath = builtins.path { inherit name path filter; };
}
