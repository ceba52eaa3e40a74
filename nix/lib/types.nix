# Types of arguments. A type is `{ expects; check; }`. `check where value` returns a list of problems,
# each with its place and a fix, so that a caller sees all of them together and a test can compare
# them.
let
  suggest = import ./suggest.nix;
  time = import ./time.nix;

  kinds = {
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
      isShort = builtins.isInt value || builtins.isString value && builtins.stringLength value < 80;
      suffix = if isShort then " ${builtins.toJSON value}" else "";
    in
    if isPackage value then
      "the package" + (if value ? name then " ${value.name}" else "")
    else
      kinds.${kind} + suffix;

  # A package is a set too, but its attributes are not arguments.
  ifSet =
    expects: where: value: problems:
    if builtins.isAttrs value && !isPackage value then
      problems
    else
      problem where "this must be ${expects}, not ${describe value}";
in
rec {
  inherit problem fromPredicate;

  # Returns true if there are no problems, and throws them otherwise.
  throwUnlessValid =
    what: problems:
    problems == [ ]
    || throw "cooper: invalid arguments for ${what}:\n${
      builtins.concatStringsSep "\n" (map (problem: "  - ${problem}") problems)
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
        problem where "this must be a string, not ${describe value}; write the path of a file in it, such as \"\${package}/bin/program\""
      else
        (fromPredicate "a string" builtins.isString).check where value;
  };
  bool = fromPredicate "true or false" builtins.isBool;
  natural = fromPredicate "a number, 0 or more" (value: builtins.isInt value && value >= 0);
  set = fromPredicate "an attribute set" builtins.isAttrs;

  package = fromPredicate "a package" isPackage;

  # A package, a path in the flake's source, or a string that starts with a store path. The string of
  # a content-addressed output starts with a placeholder hash until the output is built.
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
        problem where "${toString value} does not exist; run `git add` if the flake is in git"
      else
        anyStorePath.check where value;
  };

  # A file in the flake's source, for example ./layers.lock.json.
  lockFile = fromPredicate "the path of a lock file, such as ./layers.lock.json" (
    value: builtins.isPath value || builtins.isString value && builtins.match "/.*" value != null
  );

  intBetween = least: most: fromPredicate "a number from ${toString least} to ${toString most}" (
    value: builtins.isInt value && value >= least && value <= most
  );

  enum = values: fromPredicate "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}" (
    value: builtins.elem value values
  );

  # A string that matches a pattern, which `expects` describes.
  strMatching = expects: pattern: fromPredicate expects (
    value: builtins.isString value && builtins.match pattern value != null
  );

  # A time in any form that time.nix accepts.
  timestamp = rec {
    expects = "a fixed time, such as \"2026-01-31\", \"2026-01-31T12:00:00Z\" or `self.lastModifiedDate`";
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

  # `isLeft value` selects one of two types, so that a problem comes from only one of them.
  either = left: isLeft: right: {
    expects = "${left.expects}, or ${right.expects}";
    check = where: value: if isLeft value then left.check where value else right.check where value;
  };

  # An attribute set with known attributes, of which the `required` ones must exist. `renamed` maps
  # names that other tools use to the text that replaces them.
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
          problem (at where name) "unknown argument${
            if renamed ? ${name} then "; write ${renamed.${name}}" else suggest name known
          }";
      ofMissing =
        where: value: name:
        if value ? ${name} then [ ] else problem (at where name) "missing; it must be ${fields.${name}.expects}";
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
