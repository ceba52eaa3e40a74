# One store path per Debian package: the pinned file is fetched by the machine's apt and unpacked.
# The output contains the store paths of the package's dependencies, so that Nix registers them as
# references.
{
  lock,
  architecture,
  runScript,
}:
let
  # Store path names allow fewer characters than Debian versions.
  storeName = builtins.replaceStrings [ ":" "~" ] [ "-" "-" ];

  closureOf =
    name:
    map (node: node.key) (
      builtins.genericClosure {
        startSet = [ { key = name; } ];
        operator = node: map (key: { inherit key; }) lock.${node.key}.depends;
      }
    );
  closures = builtins.mapAttrs (name: _: closureOf name) lock;

  # Debian's dependencies have cycles (libc6 and libgcc-s1 need each other), which store paths
  # cannot have. Inside a cycle, only the later name refers to the earlier one.
  refersTo = from: to: !(builtins.elem from closures.${to}) || from > to;

  fetch =
    name: entry:
    runScript {
      name = storeName (baseNameOf entry.file);
      script = ./fetch.sh;
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = entry.sha256;
      inherit (entry) file sha256 version;
      package = name;
      inherit architecture;
    };

  debs = builtins.mapAttrs fetch lock;

  unpack =
    name: entry:
    runScript {
      pname = storeName name;
      version = storeName entry.version;
      script = ./unpack.sh;
      deb = debs.${name};
      dependencies = map (to: packages.${to}) (builtins.filter (refersTo name) entry.depends);
    };

  packages = builtins.mapAttrs unpack lock;
in
{
  inherit packages;

  # Every pinned file; a build shows whether Debian still has all of them.
  pinned = runScript {
    name = "debian-pinned-${architecture}";
    script = ./list.sh;
    debs = builtins.attrValues debs;
  };

  # The given packages and all their dependencies at run time.
  closure =
    roots:
    map (node: packages.${node.key}) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) roots;
        operator = node: map (key: { inherit key; }) lock.${node.key}.depends;
      }
    );
  version = name: storeName lock.${name}.version;
}
