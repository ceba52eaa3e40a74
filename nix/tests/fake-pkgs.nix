# What stands in for a package set and for cooper where evaluation alone is tested.
{
  pkgs = {
    stdenv.buildPlatform.system = "x86_64-linux";
    buildPackages.writeShellScriptBin = name: text: { inherit name text; };
  };
  cooper.cooper = "/cooper";
}
