# Types for arguments. A type is `{ expects; check; }`: `check where value` gives true or
# throws an error that names the place and says what to write there.
let
  near = import ./near.nix;

  article = {
    int = "a number";
    bool = "a boolean";
    string = "a string";
    path = "a path";
    "null" = "null";
    set = "an attribute set";
    list = "a list";
    lambda = "a function";
    float = "a number with a fraction";
  };

  fail = where: message: throw "cooper: ${where}: ${message}";

  simple = expects: test: {
    inherit expects;
    check =
      where: value:
      test value || fail where "this must be ${expects}, not ${describe value}";
  };

  describe =
    value:
    let
      kind = builtins.typeOf value;
      shown = if builtins.isString value && builtins.stringLength value < 80 then " ${builtins.toJSON value}" else "";
    in
    article.${kind} + shown;

  # Strict, so that the first wrong element is what the error is about.
  all = test: values: builtins.all test values;
in
rec {
  inherit fail;

  anything = {
    expects = "anything";
    check = _: _: true;
  };
  string = simple "a string" builtins.isString;
  bool = simple "true or false" builtins.isBool;
  natural = simple "a number, 0 or more" (value: builtins.isInt value && value >= 0);
  set = simple "an attribute set" builtins.isAttrs;

  # A package, a path of the flake's own source, or a string that names a store path.
  storePath = simple "a package or a store path" (
    value: builtins.isPath value || builtins.isString value || (builtins.isAttrs value && value ? outPath)
  );

  between = least: most: simple "a number from ${toString least} to ${toString most}" (
    value: builtins.isInt value && value >= least && value <= most
  );

  enum = values: simple "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}" (
    value: builtins.elem value values
  );

  # A string of a certain form; `expects` says which in words.
  matching = expects: pattern: simple expects (
    value: builtins.isString value && builtins.match pattern value != null
  );

  nullOr = type: {
    expects = "null or ${type.expects}";
    check = where: value: value == null || type.check where value;
  };

  listOf = type: {
    expects = "a list, each element ${type.expects}";
    check =
      where: value:
      if !builtins.isList value then
        fail where "this must be a list, not ${describe value}; write [ … ] around it"
      else
        all (index: type.check "${where}[${toString index}]" (builtins.elemAt value index)) (
          builtins.genList (index: index) (builtins.length value)
        );
  };

  attrsOf = type: {
    expects = "an attribute set, each value ${type.expects}";
    check =
      where: value:
      set.check where value
      && all (name: type.check "${where}.${builtins.toJSON name}" value.${name}) (builtins.attrNames value);
  };

  # The first type whose kind fits decides, so that its own error is the one shown.
  either = left: fits: right: {
    expects = "${left.expects}, or ${right.expects}";
    check = where: value: if fits value then left.check where value else right.check where value;
  };

  # Known attributes only; `required` ones must be there.
  record =
    { required ? [ ], fields }:
    {
      expects = "an attribute set of ${builtins.concatStringsSep ", " (builtins.attrNames fields)}";
      check =
        where: value:
        set.check where value
        && all (
          name:
          if fields ? ${name} then
            fields.${name}.check "${where}.${name}" value.${name}
          else
            fail where "there is no `${name}`${near.suggest name (builtins.attrNames fields)}"
        ) (builtins.attrNames value)
        && all (name: value ? ${name} || fail where "`${name}` is missing; it must be ${fields.${name}.expects}") required;
    };
}
