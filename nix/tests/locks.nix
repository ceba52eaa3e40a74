# What becomes of a base image's lock: which blobs are fetched, and what pullImage refuses.
let
  package =
    name:
    derivation {
      inherit name;
      system = "x86_64-linux";
      builder = "/bin/sh";
    };
  pkgs = {
    stdenv.hostPlatform.system = "x86_64-linux";
    stdenv.buildPlatform.system = "x86_64-linux";
    cacert = package "cacert";
    runCommand =
      name: environment: commands:
      package name // { given = environment // { inherit commands; }; };
  };
  cooper.cooper = package "cooper";
  lock = ./debian.lock.json;
  plain = builtins.unsafeDiscardStringContext;
  base =
    architecture:
    import ../lib/base.nix { inherit pkgs cooper; } {
      base = { inherit lock; };
      platform = {
        os = "linux";
        inherit architecture;
        variant = null;
      };
    };
  pullImage = import ../lib/docker-tools/pull-image.nix { inherit pkgs cooper; };
  digest = letter: "sha256:" + builtins.concatStringsSep "" (builtins.genList (_: letter) 64);
  throws = name: value: {
    inherit name;
    actual = (builtins.tryEval (builtins.deepSeq value true)).success;
    expected = false;
  };
  debian = {
    imageName = "debian";
    imageDigest = digest "0";
    sha256 = "nixpkgs'";
    inherit lock;
  };
in
[
  {
    name = "of a lock the blobs of one platform are fetched";
    actual = builtins.attrNames (base "amd64").blobs;
    expected = map digest [ "1" "2" "3" ];
  }
  {
    name = "arm64 is v8 in a lock with that variant";
    actual = builtins.attrNames (base "arm64").blobs;
    expected = map digest [ "3" "4" "5" "6" ];
  }
  {
    name = "a blob that two images of a lock have is one store path";
    actual = (base "amd64").blobs.${digest "3"} == (base "arm64").blobs.${digest "3"};
    expected = true;
  }
  {
    name = "a blob's store path is known before it is fetched, and named by its digest";
    actual =
      builtins.match ".*-blob-333333333333" (plain (base "amd64").blobs.${digest "3"}) != null;
    expected = true;
  }
  (throws "a platform that was not locked is refused" (base "s390x").blobs)
  (throws "a file that is not a lock is refused" (import ../lib/lock.nix ../../flake.lock).content)
  {
    name = "pullImage has nixpkgs' name and tag, or those that are asked for";
    actual = map (image: [ image.given.reference (plain image.name) ]) [
      (pullImage debian)
      (pullImage (debian // { finalImageName = "os/debian"; finalImageTag = "12"; }))
      (pullImage { inherit lock; })
    ];
    expected = [
      [ "debian:latest" "debian-latest.tar" ]
      [ "os/debian:12" "debian-12.tar" ]
      [ "docker.io/library/debian:latest" "debian-latest.tar" ]
    ];
  }
  {
    name = "pullImage takes another architecture of the lock, and the digest of its image";
    actual = (pullImage (debian // { arch = "arm64"; imageDigest = digest "4"; })).given.digests;
    expected = map digest [ "3" "4" "5" "6" ];
  }
  (throws "pullImage without a lock is refused, for nixpkgs' sha256 is skopeo's" (
    pullImage (builtins.removeAttrs debian [ "lock" ])
  ))
  (throws "pullImage refuses the lock of another image" (pullImage (debian // { imageName = "ubuntu"; })))
  (throws "pullImage refuses the lock of another digest" (pullImage (debian // { imageDigest = digest "9"; })))
  (throws "pullImage refuses to fetch without TLS" (pullImage (debian // { tlsVerify = false; })))
  (throws "pullImage refuses a mistyped argument" (pullImage (debian // { imageTag = "12"; })))
]
