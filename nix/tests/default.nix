# Tests of nix/lib that evaluation alone can run: a list of `{ name, actual, expected }`.
# The value is the list of failures, as text; nix/checks.nix wants it empty.
let
  tests = builtins.concatMap import [
    ./arguments.nix
    ./spec.nix
    ./set.nix
    ./index.nix
    ./nixpkgs-attrs.nix
    ./readme.nix
    ./debian.nix
    ./docker-tools.nix
    ./docker-tools-arguments.nix
    ./locks.nix
    ./templates.nix
    ./apps.nix
    ./systems.nix
    ./structured.nix
    ./overrides.nix
    ./labels.nix
    ./versions.nix
  ];
  failure = test: "${test.name}: expected ${builtins.toJSON test.expected}, got ${builtins.toJSON test.actual}";
in
{
  count = builtins.length tests;
  failures = map failure (builtins.filter (test: test.actual != test.expected) tests);
}
