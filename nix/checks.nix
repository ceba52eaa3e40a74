# `nix flake check`: what evaluation can test is tested by evaluating, so that
# `--no-build` runs it too; the rest is that the images, and a user's, can be built.
{
  pkgs,
  images,
  consumer,
}:
let
  tests = import ./tests;
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

  consumer-backend = consumer.backend-docker;
  consumer-grafana = consumer.grafana-with-plugin;
  consumer-plugin-init = consumer.plugin-init;
  consumer-orders = consumer.orders;
}
