# Types for arguments. A type is `{ expects; check; }`: `check where value` lists what is
# wrong, each problem naming the place and what to write there, so that a caller sees all
# of them at once and a test can compare them.
let
  near = import ./suggest.nix;
  time = import ./time.nix;

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

  problem = where: message: [ (if where == "" then message else "`${where}`: ${message}") ];

  fromPredicate = expects: test: {
    inherit expects;
    check =
      where: value:
      if test value then [ ] else problem where "this must be ${expects}, not ${describe value}";
  };

  isPackage = value: builtins.isAttrs value && value ? outPath;

  describe =
    value:
    let
      kind = builtins.typeOf value;
      short = builtins.isInt value || builtins.isString value && builtins.stringLength value < 80;
      shown = if short then " ${builtins.toJSON value}" else "";
    in
    if isPackage value then
      "the package" + (if value ? name then " ${value.name}" else "")
    else
      article.${kind} + shown;

  # A package is a set too, whose attributes nobody means.
  ifSet =
    expects: where: value: problems:
    if builtins.isAttrs value && !isPackage value then
      problems
    else
      problem where "this must be ${expects}, not ${describe value}";
in
rec {
  inherit problem fromPredicate;

  # Throws what `check` found.
  throwUnlessValid =
    what: problems:
    problems == [ ]
    || throw "cooper: ${what} cannot be made of these arguments:\n${
      builtins.concatStringsSep "\n" (map (found: "  - ${found}") problems)
    }";

  anything = {
    expects = "anything";
    check = _: _: [ ];
  };
  string = {
    expects = "a string";
    check =
      where: value:
      if isPackage value then
        problem where "this must be a string, not ${describe value}; write the path of what is meant in it, such as \"\${package}/bin/program\""
      else
        (fromPredicate "a string" builtins.isString).check where value;
  };
  bool = fromPredicate "true or false" builtins.isBool;
  natural = fromPredicate "a number, 0 or more" (value: builtins.isInt value && value >= 0);
  set = fromPredicate "an attribute set" builtins.isAttrs;

  package = fromPredicate "a package" isPackage;

  # A package, a path of the flake's own source, or a string that names a store path: of what is
  # addressed by its content a hash, until it is built.
  anyStorePath = fromPredicate "a package, a file such as ./file, or a store path" (
    value:
    builtins.isPath value
    || isPackage value
    || builtins.isString value && builtins.match "(${builtins.storeDir}/.|/[0-9a-df-np-sv-z]{52}).*" value != null
  );
  storePath = anyStorePath // {
    check =
      where: value:
      if builtins.isPath value && !builtins.pathExists value then
        problem where "there is no ${toString value}; a flake in git has only files that `git add` knows"
      else
        anyStorePath.check where value;
  };

  # A file of the flake's own source: ./layers.lock.json.
  lockFile = fromPredicate "the path of a lock file, such as ./layers.lock.json" (
    value: builtins.isPath value || builtins.isString value && builtins.match "/.*" value != null
  );

  intBetween = least: most: fromPredicate "a number from ${toString least} to ${toString most}" (
    value: builtins.isInt value && value >= least && value <= most
  );

  enum = values: fromPredicate "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}" (
    value: builtins.elem value values
  );

  # A string of a certain form; `expects` says which in words.
  strMatching = expects: pattern: fromPredicate expects (
    value: builtins.isString value && builtins.match pattern value != null
  );

  # In each form that time.nix reads.
  timestamp = rec {
    expects = "a time that is the same in every build, such as \"2026-01-31\", \"2026-01-31T12:00:00Z\" or `self.lastModifiedDate`";
    check =
      where: value:
      if value == "now" then
        problem where "`now` is not reproducible; use a fixed time, for example the flake's own: `self.lastModifiedDate`"
      else
        (fromPredicate expects (value: builtins.isString value && time value != null)).check where value;
  };

  nullOr = type: {
    expects = "null or ${type.expects}";
    check = where: value: if value == null then [ ] else type.check where value;
  };

  listOf = type: {
    expects = "a list, each element ${type.expects}";
    check =
      where: value:
      if !builtins.isList value then
        problem where "this must be a list, not ${describe value}; write [ … ] around it"
      else
        builtins.concatMap (index: type.check "${where}[${toString index}]" (builtins.elemAt value index)) (
          builtins.genList (index: index) (builtins.length value)
        );
  };

  attrsOf = type: rec {
    expects = "an attribute set, each value ${type.expects}";
    check =
      where: value:
      ifSet expects where value (
        builtins.concatMap (name: type.check "${where}.${builtins.toJSON name}" value.${name}) (
          builtins.attrNames value
        )
      );
  };

  # The first type whose kind fits decides, so that its own error is the one shown.
  either = left: fits: right: {
    expects = "${left.expects}, or ${right.expects}";
    check = where: value: if fits value then left.check where value else right.check where value;
  };

  # Known attributes only; `required` ones must be there. `elsewhere` says of names that are known
  # from other tools what to write.
  record =
    {
      required ? [ ],
      renamed ? { },
      fields,
    }:
    let
      expects = "an attribute set of ${builtins.concatStringsSep ", " known}";
      known = builtins.attrNames fields;
      at = where: name: if where == "" then name else "${where}.${name}";
      ofField =
        where: value: name:
        if fields ? ${name} then
          fields.${name}.check (at where name) value.${name}
        else
          problem (at where name) "there is no such argument${
            if renamed ? ${name} then "; write ${renamed.${name}}" else near.suggest name known
          }";
      ofMissing =
        where: value: name:
        if value ? ${name} then [ ] else problem (at where name) "this is missing; it must be ${fields.${name}.expects}";
    in
    {
      inherit expects;
      names = known;
      check =
        where: value:
        ifSet expects where value (
          builtins.concatMap (ofField where value) (builtins.attrNames value)
          ++ builtins.concatMap (ofMissing where value) required
        );
    };
}
