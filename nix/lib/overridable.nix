# A function whose results can be changed, as those of nixpkgs' functions: `override` calls it
# again with other arguments, `overrideAttrs` changes attributes of the derivation. Both keep what
# the other one changed.
{
  function,
  # The names of its arguments. `overrideAttrs` takes them too: to nixpkgs' builders many arguments
  # are attributes of the derivation.
  names,
  # Arguments, and what has been changed of the attributes → the result.
  make,
}:
let
  # Attributes of a derivation that do not change what is in it, but for its name.
  attributeNames = [
    "allowSubstitutes"
    "meta"
    "name"
    "passthru"
    "preferLocalBuild"
    "requiredSystemFeatures"
  ];
  only = names: builtins.intersectAttrs (builtins.listToAttrs (map (name: { inherit name; value = null; }) names));
  called = change: old: if builtins.isFunction change then change old else change;

  # Arguments and attributes after one call of overrideAttrs.
  step =
    state: change:
    let
      result = make state.arguments state.attributes;
      old =
        state.arguments
        // state.attributes
        // {
          inherit (result) name meta;
          passthru = state.attributes.passthru or state.arguments.passthru or { };
        };
      new = old // changed;
      # A set, a function of the old attributes, or one of the new and the old ones.
      partly = called change old;
      changed = if builtins.isFunction partly then change new old else partly;
      unknown = builtins.attrNames (builtins.removeAttrs changed (attributeNames ++ names));
      ofArguments = builtins.removeAttrs (only names changed) attributeNames;
    in
    if unknown != [ ] then
      throw "cooper: ${function}: overrideAttrs has `${builtins.concatStringsSep "`, `" unknown}`, and no builder here reads that; there are ${builtins.concatStringsSep ", " attributeNames}, and the arguments of ${function}"
    else
      {
        arguments = state.arguments // ofArguments;
        attributes = state.attributes // only attributeNames changed;
      };

  go =
    arguments: changes:
    let
      state = builtins.foldl' step {
        inherit arguments;
        attributes = { };
      } changes;
    in
    make state.arguments state.attributes
    // {
      override = new: go (arguments // called new arguments) changes;
      overrideAttrs = change: go arguments (changes ++ [ change ]);
    };
in
arguments: go arguments [ ]
