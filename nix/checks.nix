# `nix flake check`: what evaluation can test is tested by evaluating, so that
# `--no-build` runs it too; the rest is that the images, and a user's, can be built.
{
  pkgs,
  images,
  examples,
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

  consumer-backend = examples.consumer.backend-docker;
  consumer-grafana = examples.consumer.grafana-with-plugin;
  consumer-plugin-init = examples.consumer.plugin-init;
  consumer-orders = examples.consumer.orders;

  dockertools-redis = examples.from-dockertools.redis;
  dockertools-shell = examples.from-dockertools.shell;
  dockertools-stream = examples.from-dockertools.prometheus-stream;
  nix2container-nginx = examples.from-nix2container.nginx;
}
