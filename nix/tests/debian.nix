# The second package set's lock: whole, the same for both architectures, without addresses.
let
  text = builtins.readFile ../debian/lock.json;
  lock = builtins.fromJSON text;
  architectures = [
    "amd64"
    "arm64"
  ];
  wanted = builtins.concatLists (builtins.attrValues (import ../debian/table.nix));

  # Dependencies that are not themselves pinned.
  dangling =
    packages:
    builtins.filter (name: !(packages ? ${name})) (
      builtins.concatMap (package: package.depends) (builtins.attrValues packages)
    );
  unlike = pattern: field: packages: builtins.filter (
    name: builtins.match pattern packages.${name}.${field} == null
  ) (builtins.attrNames packages);

  # The store paths that an unpacked package refers to, by name.
  referencesOf =
    name:
    let
      set = import ../debian { buildSystem = "x86_64-linux"; };
    in
    map (path: path.name) (set.debianPackages.${name}.dependencies);
in
builtins.concatMap (
  architecture:
  let
    packages = lock.${architecture};
  in
  [
    {
      name = "every package of packages.txt is pinned for ${architecture}";
      actual = builtins.filter (name: !(packages ? ${name})) wanted;
      expected = [ ];
    }
    {
      name = "every dependency is pinned for ${architecture}";
      actual = dangling packages;
      expected = [ ];
    }
    {
      name = "every package has a sha256 for ${architecture}";
      actual = unlike "[0-9a-f]{64}" "sha256" packages;
      expected = [ ];
    }
    {
      name = "every file is a place in the archive for ${architecture}";
      actual = unlike "pool/.*[.]deb" "file" packages;
      expected = [ ];
    }
  ]
) architectures
++ [
  {
    name = "the lock names no host";
    actual = builtins.replaceStrings [ "://" ] [ "" ] text == text;
    expected = true;
  }
  {
    name = "in a cycle of dependencies the later name refers to the earlier";
    actual = map (name: builtins.length (builtins.filter (n: builtins.match "lib(c6|gcc-s1)-.*" n != null) (referencesOf name))) [
      "libc6"
      "libgcc-s1"
    ];
    expected = [
      0
      1
    ];
  }
  {
    name = "a cross set unpacks the other architecture's packages on this one";
    actual =
      let
        cross = (import ../debian { buildSystem = "x86_64-linux"; }).pkgsCross.aarch64-multiplatform;
      in
      [
        cross.prometheus.system
        cross.stdenv.hostPlatform.system
        cross.stdenv.buildPlatform.system
      ];
    expected = [
      "x86_64-linux"
      "aarch64-linux"
      "x86_64-linux"
    ];
  }
]
