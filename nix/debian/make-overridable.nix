# A package that a function makes of its arguments, with `override`, which calls the function with
# others; what `overrideAttrs` changed stays changed.
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
