# `nix flake check`: tests that only evaluate run with `--no-build` too; the other checks build the
# images and the examples.
{
  pkgs,
  images,
  examples,
}:
let
  tests = import ./tests;
  # All packages of the examples, for example "consumer-orders". on-a-base is left out, because its lock
  # comes from a registry; tests/run builds it.
  ofExamples = builtins.listToAttrs (
    builtins.concatMap (
      example:
      map (package: {
        name = "${example}-${package}";
        value = examples.${example}.${package};
      }) (builtins.attrNames examples.${example})
    ) (builtins.attrNames (builtins.removeAttrs examples [ "on-a-base" ]))
  );
  list = builtins.concatStringsSep "\n" (map (failure: "  - ${failure}") tests.failures);
in
images
// {
  lib =
    if tests.failures == [ ] then
      pkgs.runCommand "nix-lib-tests" { count = toString tests.count; } ''
        echo "$count tests passed" >"$out"
      ''
    else
      throw "${toString (builtins.length tests.failures)} of ${toString tests.count} tests of nix/lib failed:\n${list}";
}
// ofExamples
