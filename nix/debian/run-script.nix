# A derivation that runs one of this folder's scripts with the host's own tools: the
# set is made for machines whose Nix has no sandbox and whose system is Debian.
{ system }:
{ name, script, ... }@attributes:
derivation (
  {
    inherit system;
    builder = "/bin/sh";
    args = [
      "-eu"
      script
    ];
    PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    LC_ALL = "C";
    preferLocalBuild = true;
    allowSubstitutes = false;
  }
  // builtins.removeAttrs attributes [ "script" ]
)
