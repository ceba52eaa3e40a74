# pullImage: an image of a registry as an archive, from its lock. The two digests of nixpkgs' function
# are not enough: the second one is the hash of an archive that only skopeo writes.
{ pkgs, cooper }:
arguments:
let
  types = import ../types.nix;
  inherit (types) problem;
  isGiven = name: (arguments.${name} or null) != null;
  shape = (import ./arguments.nix).pullImage;
  wanted =
    "${arguments.imageName or "NAME"}" + (if isGiven "imageDigest" then "@${arguments.imageDigest}" else "");
  missing =
    if builtins.isAttrs arguments && !isGiven "lock" then
      problem "lock" "missing; `sha256` is the hash of an archive that only skopeo writes. Run `cooper lock ${wanted} -o base.lock.json` once and write `lock = ./base.lock.json;`"
    else
      [ ];

  inherit (import ../lock.nix arguments.lock) content file;
  # "docker.io/nixos/nix:2.2.1@sha256:…" → "docker.io/nixos/nix"
  repository =
    reference:
    builtins.head (
      builtins.match "(([^/@]*/)*[^/:@]+).*" (builtins.head (builtins.match "([^@]*).*" reference))
    );
  # As Docker completes it.
  whole =
    name:
    let
      parts = builtins.match "([^/]*)/(.*)" name;
      first = if parts == null then "" else builtins.head parts;
    in
    if parts == null then
      "docker.io/library/${name}"
    else if builtins.match ".*[.:].*" first != null || first == "localhost" then
      name
    else
      "docker.io/${name}";
  digests = [ content.root.digest ] ++ map (image: image.manifest.digest) (builtins.attrValues content.platforms);
  unlike =
    (
      if isGiven "imageName" && whole arguments.imageName != whole (repository content.reference) then
        problem "imageName" "it does not match ${content.reference} of ${file}; write it again with `cooper lock ${wanted}`"
      else
        [ ]
    )
    ++ (
      if isGiven "imageDigest" && !builtins.elem arguments.imageDigest digests then
        problem "imageDigest" "it does not match ${content.root.digest} of ${file}; write it again with `cooper lock ${wanted}`"
      else
        [ ]
    );
  shown = "pullImage" + (if isGiven "imageName" then " ${builtins.toJSON arguments.imageName}" else "");
  checked =
    assert types.throwUnlessValid shown (shape.check "" arguments ++ missing);
    assert types.throwUnlessValid shown unlike;
    arguments;

  platform = (import ../platform.nix pkgs) // {
    os = checked.os or "linux";
  }
  // (
    if isGiven "arch" then
      {
        architecture = arguments.arch;
        variant = null;
      }
    else
      { }
  );
  base = import ../base.nix { inherit pkgs cooper; } {
    base = { inherit (checked) lock; };
    inherit platform;
  };
  imageName =
    if isGiven "finalImageName" then
      arguments.finalImageName
    else
      checked.imageName or (repository content.reference);
  imageTag = if isGiven "finalImageTag" then arguments.finalImageTag else "latest";
in
pkgs.runCommand (checked.name or "${baseNameOf imageName}-${imageTag}.tar") {
  blobs = builtins.attrValues base.blobs;
  digests = builtins.attrNames base.blobs;
  index = builtins.toJSON {
    schemaVersion = 2;
    mediaType = "application/vnd.oci.image.index.v1+json";
    manifests = [ ((import ../lock.nix checked.lock).image platform).manifest ];
  };
  reference = "${imageName}:${imageTag}";
  cooper = "${cooper.cooper}/bin/cooper";
} (import ./script.nix ./pull.sh)
// {
  inherit imageName imageTag;
}
