# The names that nixpkgs' dockerTools has (26.05): those of its functions' arguments, and its own.
# Helpers of its functions, and `examples` and `tests`, are left out.
rec {
  arguments = {
    buildImage = [
      "architecture"
      "buildVMMemorySize"
      "compressor"
      "config"
      "contents"
      "copyToRoot"
      "created"
      "diskSize"
      "extraCommands"
      "fromImage"
      "fromImageName"
      "fromImageTag"
      "gid"
      "includeNixDB"
      "keepContentsDirlinks"
      "meta"
      "name"
      "runAsRoot"
      "tag"
      "uid"
    ];
    streamLayeredImage = [
      "architecture"
      "config"
      "contents"
      "created"
      "debug"
      "enableFakechroot"
      "extraCommands"
      "fakeRootCommands"
      "fromImage"
      "gid"
      "gname"
      "includeNixDB"
      "includeStorePaths"
      "layeringPipeline"
      "maxLayers"
      "meta"
      "mtime"
      "name"
      "passthru"
      "tag"
      "uid"
      "uname"
    ];
    # It hands the rest on.
    buildLayeredImage = arguments.streamLayeredImage ++ [ "compressor" ];
    pullImage = [
      "arch"
      "finalImageName"
      "finalImageTag"
      "hash"
      "imageDigest"
      "imageName"
      "name"
      "os"
      "outputHash"
      "outputHashAlgo"
      "sha256"
      "tlsVerify"
    ];
  };

  attributes = [
    "binSh"
    "buildImage"
    "buildImageWithNixDb"
    "buildLayeredImage"
    "buildLayeredImageWithNixDb"
    "buildNixShellImage"
    "caCertificates"
    "exportImage"
    "fakeNss"
    "mergeImages"
    "pullImage"
    "shadowSetup"
    "streamLayeredImage"
    "streamNixShellImage"
    "usrBinEnv"
  ];
}
