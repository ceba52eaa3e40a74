# Tests of nix/lib that evaluation alone can run: a list of `{ name, actual, expected }`.
# The value is the list of failures, as text; nix/checks.nix wants it empty.
let
  tests = import ./arguments.nix ++ import ./spec.nix ++ import ./set.nix ++ import ./index.nix ++ import ./surface.nix ++ import ./readme.nix ++ import ./debian.nix ++ import ./docker-tools.nix ++ import ./docker-tools-arguments.nix ++ import ./locks.nix ++ import ./templates.nix ++ import ./apps.nix ++ import ./systems.nix ++ import ./structured.nix ++ import ./overrides.nix;
  failure = test: "${test.name}: expected ${builtins.toJSON test.expected}, got ${builtins.toJSON test.actual}";
in
{
  count = builtins.length tests;
  failures = map failure (builtins.filter (test: test.actual != test.expected) tests);
}
