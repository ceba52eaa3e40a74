# A filtered source with the attributes of nixpkgs' `lib.cleanSourceWith`, so that it can be read
# without a copy in the store (nix/debian searches for manifests).
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
