# Small packages, so that an image's whole tree can be written down: a script that needs
# nothing but a static shell, and a file that refers to another one.
{ pkgs }:
rec {
  # Debian's static bash, under the name that nixpkgs' shell has.
  shell = pkgs.busybox-sandbox-shell;
  script =
    name: text:
    pkgs.runCommand name
      {
        inherit text;
        interpreter = "${shell}/bin/busybox";
      }
      ''
        mkdir -p "$out/bin"
        printf '#!%s\n%s\n' "$interpreter" "$text" >"$out/bin/$name"
        chmod +x "$out/bin/$name"
      '';
  hello = script "hello" "echo 'Hello, world!'";
  text =
    name: path: content:
    pkgs.runCommand name { inherit path content; } ''
      mkdir -p "$out/$(dirname "$path")"
      printf %s "$content" >"$out/$path"
    '';
}
