# Adds `override` to the package that a function returns: it calls the function with other arguments
# and keeps the changes of earlier calls of `overrideAttrs`.
let
  makeOverridable =
    function: arguments:
    let
      result = function arguments;
    in
    result
    // {
      override =
        new: makeOverridable function (arguments // (if builtins.isFunction new then new arguments else new));
      overrideAttrs =
        change: makeOverridable (given: (function given).overrideAttrs change) arguments;
    };
in
makeOverridable
