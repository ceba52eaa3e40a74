# What the functions take, checked at evaluation: nixpkgs' arguments, and cooper's own
# beside them, which say what cannot be said the old way. README.md has the table; a test
# compares the two.
let
  types = import ../types.nix;
  inherit (types)
    anything
    bool
    timestamp
    natural
    nullOr
    problem
    record
    set
    storePath
    string
    ;

  # Checked by ../arguments.nix, under the same names, once they are cooper's arguments.
  later = anything;

  # An argument that is given up: its neutral values mean nothing, any other is refused.
  unsupported = neutral: instead: {
    expects = "left out";
    check = where: value: if builtins.elem value neutral then [ ] else problem where instead;
  };
  oneOrMore = types.either (types.listOf storePath) builtins.isList (nullOr storePath);
  owner = what: unsupported [ 0 "root" ] "the store's files are root's in every image, so that images share them; ${what}";
  ownerByFile = owner "give an owner by path: `directories.\"/data\" = { uid = 1000; gid = 1000; }`, or `files`";
  asData = "write what it makes as `directories.\"/data\" = { mode = \"0755\"; uid = 1000; gid = 1000; }`, `files`, `symlinks`, `users` and `groups`, here beside the other arguments; what needs no root goes into `extraCommands`, and a script that adds accounts into buildLayeredImage's `fakeRootCommands`, after dockerTools.shadowSetup";

  inherit (import ../arguments.nix) architecture maxLayers;

  # Docker's config, of which a container's fields say nothing while they are empty. The rest is
  # checked by ../arguments.nix.
  containerFields = import ../container-fields.nix;
  config = set // {
    check =
      where: value:
      set.check where value
      ++ builtins.concatMap (
        name:
        (unsupported neutral "it belongs to a container and not to an image; leave it out, and write `${containerFields.${name}}` where the container is started").check "${where}.${name}" value.${name}
      ) (builtins.filter (name: builtins.isAttrs value && value ? ${name}) (builtins.attrNames containerFields));
  };
  neutral = [
    null
    false
    ""
  ];

  # cooper's own.
  native = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = later;
    }) (import ./extra-args.nix)
  );
  common = native // {
    name = string;
    tag = nullOr string;
    fromImage = nullOr storePath;
    config = nullOr config;
    inherit architecture;
    created = timestamp;
    extraCommands = string;
    includeNixDB = bool;
    meta = set;
    passthru = set;
  };
  layered = common // {
    contents = oneOrMore;
    mtime = timestamp;
    uid = ownerByFile;
    gid = ownerByFile;
    uname = ownerByFile;
    gname = ownerByFile;
    inherit maxLayers;
    # nixpkgs' planner prints more then; `cooper plan` prints what there is to print.
    debug = bool;
    fakeRootCommands = string;
    enableFakechroot =
      unsupported [ false ]
        "there is no chroot to run commands in: they run where the image's `/` is laid out; write `./data` where they say `/data`, in `fakeRootCommands`";
    includeStorePaths = bool;
    layeringPipeline =
      unsupported [ null ]
        "layers are planned by what changes together; write `layering.groups = [ { name = \"base\"; paths = [ … ]; } ]` for layers of your own, and `layering.changesOften` for what changes with every release";
  };
  compressor = types.enum [
    "gz"
    "zstd"
    "none"
  ];
  function =
    fields:
    record {
      required = [ "name" ];
      inherit fields;
    };
in
{
  streamLayeredImage = function layered;
  buildLayeredImage = function (layered // { inherit compressor; });
  buildImage = function (
    common
    // {
      inherit compressor;
      copyToRoot = oneOrMore;
      contents = oneOrMore;
      keepContentsDirlinks = bool;
      fromImageName = nullOr string;
      fromImageTag = nullOr string;
      uid = types.intBetween 0 4294967294;
      gid = types.intBetween 0 4294967294;
      runAsRoot = unsupported [ null ] "there is no virtual machine to run it in; ${asData}";
      diskSize = natural;
      buildVMMemorySize = natural;
    }
  );
  pullImage = record {
    fields = {
      lock = types.anyStorePath;
      imageName = string;
      imageDigest = string;
      # A lock has the digest of every blob.
      sha256 = anything;
      hash = anything;
      outputHash = anything;
      outputHashAlgo = anything;
      name = string;
      os = string;
      arch = string;
      finalImageName = nullOr string;
      finalImageTag = nullOr string;
      tlsVerify = unsupported [
        true
      ] "a registry on another machine is spoken to over TLS, and its certificate checked";
    };
  };
}
