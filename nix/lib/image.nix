# The image derivation of a spec, with all its attributes. `siblings` has the store paths of the other
# images of a set by image name: with `layering.mode = "set"` the layers of all images are planned
# together. `trees` are derivations with a directory of the image's own files, and with `tree.json` of
# `cooper spec from-tree`.
{ pkgs, cooper }:
{
  spec,
  configFragments,
  trees,
  siblings,
  meta,
  passthru,
  # Attributes of the archive's derivation, from overrideAttrs.
  attributes ? { },
}:
let
  derivations = import ./derivations.nix { inherit pkgs cooper; };
  # "ghcr.io/betracehq/backend" → "backend": names of store paths have no slash.
  name = baseNameOf spec.name;
  # The layers of a base are not made of store paths.
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
  outputs = derivations.imageOutputs {
    inherit name attributes;
    specs = [ specDerivation ];
  };
  inherit (outputs) archive;
in
archive
// (attributes.passthru or passthru)
// {
  passthru = attributes.passthru or passthru;
  inherit (outputs)
    layout
    load
    push
    stream
    ;
  spec = specDerivation;
  imageName = spec.name;
  imageTag = builtins.head spec.tags;
  # The inputs of this image, for functions that change it.
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
