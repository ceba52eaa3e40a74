# Which arguments dockerTools' functions refuse and take, and that the README has them all.
let
  tagged = {
    name = "app";
    tag = "v1";
  };
  types = import ../lib/docker-tools/arguments.nix;
  # Refused for one reason, at that place, with this message.
  refuses = name: function: arguments: where: says: {
    name = "${function} refuses ${name}";
    actual =
      let
        found = types.${function}.check "" (tagged // arguments);
        text = builtins.concatStringsSep " | " found;
        begins = "`${where}`: ";
      in
      if
        builtins.length found == 1
        && builtins.substring 0 (builtins.stringLength begins) text == begins
        && builtins.replaceStrings [ says ] [ "" ] text != text
      then
        "refused"
      else
        "wanted `${where}`: …${says}…, got: ${text}";
    expected = "refused";
  };
  neutral = name: function: arguments: {
    name = "${function} takes ${name}";
    actual = types.${function}.check "" (tagged // arguments);
    expected = [ ];
  };
  rows =
    function:
    let
      section = builtins.elemAt (builtins.split "\n## dockerTools\n" (builtins.readFile ../lib/README.md)) 2;
      lines = builtins.filter builtins.isString (builtins.split "\n" section);
      cells = builtins.filter (cell: cell != null) (
        map (builtins.match "[|] (`[^|]*`) [|][^|]*[|][^|]*[|][^|]*[|]") lines
      );
      names = builtins.concatMap (
        cell: builtins.concatMap (part: if builtins.isList part then part else [ ]) (
          builtins.split "`([A-Za-z]+)`" (builtins.head cell)
        )
      ) cells;
    in
    # cooper's own are in buildImage's table.
    builtins.filter (
      name: !builtins.elem name (names ++ import ../lib/docker-tools/extra-args.nix)
    ) types.${function}.names;
in
[
  (refuses "a virtual machine" "buildImage" { runAsRoot = "mkdir /data"; } "runAsRoot" "directories.\"/data\"")
  (refuses "accounts by a script for root" "buildImage" { runAsRoot = "useradd app"; } "runAsRoot" "dockerTools.shadowSetup")
  (refuses "a chroot" "streamLayeredImage" { enableFakechroot = true; } "enableFakechroot" "in `fakeRootCommands`")
  (refuses "a pipeline" "buildLayeredImage" { layeringPipeline = [ ]; } "layeringPipeline" "layering.groups")
  (refuses "an owner of the store" "buildLayeredImage" { uid = 1000; } "uid" "give an owner by path")
  (refuses "a group's name for the store" "streamLayeredImage" { gname = "users"; } "gname" "give an owner by path")
  (refuses "now" "buildImage" { created = "now"; } "created" "self.lastModifiedDate")
  (refuses "a time that is none" "buildLayeredImage" { mtime = "soon"; } "mtime" "2026-01-31")
  (refuses "a compressor that there is not" "buildLayeredImage" { compressor = "xz"; } "compressor" "zstd")
  (refuses "a compressor for a stream" "streamLayeredImage" { compressor = "gz"; } "compressor" "unknown argument")
  (refuses "a mistyped argument" "buildLayeredImage" { content = [ ]; } "content" "did you mean `contents`?")
  (refuses "maxLayers, which is not its" "buildImage" { maxLayers = 3; } "maxLayers" "unknown argument")

  (refuses "more layers than Docker takes, by the name that was written," "buildLayeredImage" { maxLayers = 127; } "maxLayers" "from 1 to 125")
  (refuses "an unknown processor, by the name that was written," "buildImage" { architecture = "x86-64"; } "architecture" "OCI's name of a processor")
  (refuses "a container's name" "buildImage" { config.Hostname = "app"; } "config.Hostname" "`docker run --hostname`")
  (refuses "a container's domain" "streamLayeredImage" { config.Domainname = "x"; } "config.Domainname" "`docker run --domainname`")
  (refuses "a container's terminal" "buildLayeredImage" { config.Tty = true; } "config.Tty" "`docker run --tty`")

  (neutral "what a container's fields have when they say nothing" "buildImage" {
    config = {
      Hostname = "";
      Domainname = null;
      Tty = false;
      AttachStdin = false;
    };
  })
  (neutral "the wish for more output" "streamLayeredImage" { debug = true; })
  (neutral "what is given up, when it asks for nothing" "buildLayeredImage" {
    fakeRootCommands = "";
    enableFakechroot = false;
    includeNixDB = false;
    layeringPipeline = null;
    uid = 0;
    gid = 0;
    uname = "root";
    gname = "root";
  })
  (neutral "no script for root, and the size of its machine" "buildImage" {
    runAsRoot = null;
    diskSize = 1024;
    buildVMMemorySize = 512;
  })
]
++ map (function: {
  name = "the README's table of dockerTools has every argument of ${function}";
  actual = rows function;
  expected = [ ];
}) [ "buildLayeredImage" "streamLayeredImage" "buildImage" ]
