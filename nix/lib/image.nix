# A spec → the image derivation with everything that hangs on it. `siblings` are the
# store paths of the other images of a set, by image name: with `layering.mode = "set"`
# the layers are planned for all of them together. `trees` are derivations with a folder
# that becomes the image's own files, and `tree.json`, which `cooper spec from-tree` wrote.
{ pkgs, cooper }:
{
  spec,
  configFragments,
  trees,
  siblings,
  meta,
  passthru,
  # The attributes of the archive's derivation that overrideAttrs changed.
  attributes ? { },
}:
let
  derivations = import ./derivations.nix { inherit pkgs cooper; };
  # "ghcr.io/betracehq/backend" → "backend": store path names know no slash.
  name = baseNameOf spec.name;
  # A base brings its own layers: it is no store path of the image.
  closure = import ./store-paths.nix (builtins.removeAttrs spec [ "base" ]) ++ map (tree: "${tree}") trees;

  specDerivation = derivations.specOf {
    inherit name spec configFragments;
    trees = map (tree: "${tree}/tree.json") trees;
    graphs = {
      inherit closure;
    }
    // builtins.listToAttrs (
      map (sibling: {
        name = "sibling:${sibling}";
        value = siblings.${sibling};
      }) (builtins.attrNames siblings)
    );
  };
  made = derivations.imageOutputs {
    inherit name attributes;
    specs = [ specDerivation ];
  };
  inherit (made) archive;
in
archive
// (attributes.passthru or passthru)
// {
  passthru = attributes.passthru or passthru;
  inherit (made)
    layout
    load
    push
    stream
    ;
  spec = specDerivation;
  imageName = spec.name;
  imageTag = builtins.head spec.tags;
  # What this image was made from, for the functions that make it again with more.
  image = {
    inherit
      spec
      configFragments
      trees
      closure
      siblings
      meta
      passthru
      attributes
      ;
  };
  meta = {
    description = "The container image ${spec.name}";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  }
  // meta
  // attributes.meta or { };
}
