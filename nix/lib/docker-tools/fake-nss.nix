# fakeNss: root and nobody for programs that look names up, and where hosts are looked up.
# `fakeNss.override { extraPasswdLines = [ … ]; extraGroupLines = [ … ]; }` adds lines.
{ pkgs }:
let
  lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);
  make =
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    pkgs.runCommand "fake-nss" {
      passwd = lines (
        [
          "root:x:0:0:root user:/var/empty:/bin/sh"
          "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
        ]
        ++ extraPasswdLines
      );
      group = lines (
        [
          "root:x:0:"
          "nobody:x:65534:"
        ]
        ++ extraGroupLines
      );
      nsswitch = "hosts: files dns\n";
    } ''
      mkdir -p "$out/etc" "$out/var/empty"
      printf %s "$passwd" >"$out/etc/passwd"
      printf %s "$group" >"$out/etc/group"
      printf %s "$nsswitch" >"$out/etc/nsswitch.conf"
    '';
  overridable = arguments: make arguments // { override = new: overridable (arguments // new); };
in
overridable { }
