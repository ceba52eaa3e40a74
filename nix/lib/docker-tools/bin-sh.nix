# binSh: bash as /bin/sh.
{ pkgs }:
pkgs.runCommand "bin-sh" { shell = "${pkgs.bashInteractive}/bin/bash"; } ''
  mkdir -p "$out/bin"
  ln -s "$shell" "$out/bin/sh"
''
