# `nix flake check`: what evaluation can test is tested by evaluating, so that
# `--no-build` runs it too; the rest is that the images, and a user's, can be built.
{
  pkgs,
  images,
  examples,
}:
let
  tests = import ./tests;
  # All that a user's flake offers, as "consumer-orders"; but for what is on a base, whose lock
  # comes from a registry. tests/run has one.
  ofExamples = builtins.listToAttrs (
    builtins.concatMap (
      example:
      map (package: {
        name = "${example}-${package}";
        value = examples.${example}.${package};
      }) (builtins.attrNames examples.${example})
    ) (builtins.attrNames (builtins.removeAttrs examples [ "on-a-base" ]))
  );
  shown = builtins.concatStringsSep "\n" (map (failure: "  - ${failure}") tests.failures);
in
images
// {
  lib =
    if tests.failures == [ ] then
      pkgs.runCommand "nix-lib-tests" { count = toString tests.count; } ''
        echo "$count tests passed" >"$out"
      ''
    else
      throw "${toString (builtins.length tests.failures)} of ${toString tests.count} tests of nix/lib failed:\n${shown}";
}
// ofExamples
