# Images with Nix's database of the store paths in them.
{
  pkgs,
  dockerTools,
  foreign,
}:
let
  inherit (import ./packages.nix { inherit pkgs; }) hello text;
  # Only a link leads to this one.
  linked = text "linked" "file" "linked";
in
{
  nix-db = dockerTools.buildLayeredImage {
    name = "nix-db";
    tag = "latest";
    contents = [ hello pkgs.coreutils ];
    extraCommands = "ln -s ${linked}/file linked; echo own >own";
    includeNixDB = true;
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  nix-db-stream = dockerTools.streamLayeredImage {
    name = "nix-db-stream";
    tag = "latest";
    includeNixDB = true;
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  nix-db-plain = dockerTools.buildImageWithNixDb {
    name = "nix-db-plain";
    copyToRoot = hello;
    config.Cmd = [ "/bin/hello" ];
  };
}
