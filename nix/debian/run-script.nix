# A derivation that runs one of this directory's scripts with the tools of the host, which is a Debian
# system whose Nix builds without a sandbox.
#
# As with nixpkgs' mkDerivation, the arguments include `name`, or `pname` and `version`, `meta`,
# `passthru`, `env` and `__structuredAttrs`, and the results have `overrideAttrs`. A package with a
# `pname` has the platform of the cross compiler in its name; one with a `name` has not.
{
  system,
  # For a cross set, for example "-aarch64-unknown-linux-gnu".
  platformInName ? "",
}:
let
  notForBuilder = [
    "env"
    "meta"
    "passthru"
    "script"
  ];
  # `change` is a set, a function of the old attributes, or one of the new and the old attributes.
  changed =
    attributes: change:
    let
      new = attributes // changes;
      partly = if builtins.isFunction change then change attributes else change;
      changes = if builtins.isFunction partly then change new attributes else partly;
    in
    new;

  runScript =
    attributes:
    let
      structured = attributes.__structuredAttrs or false;
      name = attributes.name or "${attributes.pname}${platformInName}-${attributes.version}";
      env = attributes.env or { };
      built = derivation (
        {
          inherit name system;
          builder = if structured then "/bin/bash" else "/bin/sh";
          args = [ "-eu" ] ++ (if structured then [ ./structured-attrs.sh ] else [ ]) ++ [ attributes.script ];
          PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
          LC_ALL = "C";
          preferLocalBuild = true;
          allowSubstitutes = false;
        }
        // (if structured then { inherit env; } else env)
        // builtins.removeAttrs attributes notForBuilder
      );
    in
    built
    // builtins.intersectAttrs {
      pname = null;
      version = null;
    } attributes
    // {
      meta = attributes.meta or { };
      overrideAttrs = change: runScript (changed attributes change);
    }
    // attributes.passthru or { };
in
runScript
