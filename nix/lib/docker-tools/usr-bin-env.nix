# usrBinEnv: what scripts that start with `#!/usr/bin/env` need.
{ pkgs }:
pkgs.runCommand "usr-bin-env" { program = "${pkgs.coreutils}/bin/env"; } ''
  mkdir -p "$out/usr/bin"
  ln -s "$program" "$out/usr/bin/env"
''
