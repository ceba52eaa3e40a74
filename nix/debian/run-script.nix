# A derivation that runs one of this folder's scripts with the host's own tools: the
# set is made for machines whose Nix has no sandbox and whose system is Debian.
#
# It takes what nixpkgs' mkDerivation takes of `name`, or `pname` and `version`, `meta`,
# `passthru`, `env` and `__structuredAttrs`, and its results have `overrideAttrs`. As there,
# a package of a cross compiler has its platform in its name, and what has a `name` of its own
# is made without a compiler.
{
  system,
  # Of a cross set: "-aarch64-unknown-linux-gnu".
  platformInName ? "",
}:
let
  notForBuilder = [
    "env"
    "meta"
    "passthru"
    "script"
  ];
  # A set, a function of the old attributes, or one of the new and the old ones.
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
