# Adds `override` and `overrideAttrs` to the results of a function, as nixpkgs does. `override` calls
# the function with other arguments, `overrideAttrs` changes attributes of the derivation. Each keeps
# the changes of the other.
{
  function,
  # The names of the arguments. `overrideAttrs` accepts them too, because many arguments of nixpkgs'
  # builders are attributes of the derivation.
  names,
  # Returns the result for arguments and changed attributes.
  make,
}:
let
  # Attributes of a derivation that do not change its content, except for the name.
  attributeNames = [
    "allowSubstitutes"
    "meta"
    "name"
    "passthru"
    "preferLocalBuild"
    "requiredSystemFeatures"
  ];
  only = names: builtins.intersectAttrs (builtins.listToAttrs (map (name: { inherit name; value = null; }) names));
  apply = change: old: if builtins.isFunction change then change old else change;

  # Returns arguments and attributes after one call of overrideAttrs.
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
      # `change` is a set, a function of the old attributes, or one of the new and the old attributes.
      partly = apply change old;
      changed = if builtins.isFunction partly then change new old else partly;
      unknown = builtins.attrNames (builtins.removeAttrs changed (attributeNames ++ names));
      changedArguments = builtins.removeAttrs (only names changed) attributeNames;
    in
    if unknown != [ ] then
      throw "cooper: ${function}: overrideAttrs does not support `${builtins.concatStringsSep "`, `" unknown}`; it supports ${builtins.concatStringsSep ", " attributeNames} and the arguments of ${function}"
    else
      {
        arguments = state.arguments // changedArguments;
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
      override = new: go (arguments // apply new arguments) changes;
      overrideAttrs = change: go arguments (changes ++ [ change ]);
    };
in
arguments: go arguments [ ]
