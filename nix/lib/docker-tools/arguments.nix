# The arguments of the functions, checked at evaluation: those of nixpkgs, and cooper's additional ones
# for settings that nixpkgs has no argument for. A test compares them with the table of ../README.md.
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

  # Checked by ../arguments.nix under the same names, after the translation.
  later = anything;

  # An argument that is accepted only with a neutral value.
  unsupported = neutral: instead: {
    expects = "left out";
    check = where: value: if builtins.elem value neutral then [ ] else problem where instead;
  };
  oneOrMore = types.either (types.listOf storePath) builtins.isList (nullOr storePath);
  owner = what: unsupported [ 0 "root" ] "files of the store belong to root in every image, so that images share layers; ${what}";
  ownerByFile = owner "give an owner by path: `directories.\"/data\" = { uid = 1000; gid = 1000; }`, or `files`";
  asData = "write its results as `directories.\"/data\" = { mode = \"0755\"; uid = 1000; gid = 1000; }`, `files`, `symlinks`, `users` and `groups`, next to the other arguments; commands that do not need root go into `extraCommands`, and a script that adds accounts into buildLayeredImage's `fakeRootCommands`, after dockerTools.shadowSetup";

  inherit (import ../arguments.nix) architecture maxLayers;

  # Docker's config. Fields of a container are accepted only if they are empty; ../arguments.nix checks
  # the other fields.
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

  # cooper's additional arguments.
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
    # It makes nixpkgs' planner print more; `cooper plan` prints the plan.
    debug = bool;
    fakeRootCommands = string;
    enableFakechroot =
      unsupported [ false ]
        "there is no chroot: commands run in a directory with the files of the image's `/`; write `./data` where they say `/data`, in `fakeRootCommands`";
    includeStorePaths = bool;
    layeringPipeline =
      unsupported [ null ]
        "cooper plans layers by the packages that change together; write `layering.groups = [ { name = \"base\"; paths = [ … ]; } ]` for layers of your own, and `layering.changesOften` for packages that change with every release";
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
      runAsRoot = unsupported [ null ] "there is no virtual machine; ${asData}";
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
      ] "connections to a registry on another machine use TLS with a checked certificate";
    };
  };
}
