# pullImage is given up: it names an image by a digest of the registry's and by one of
# Nix's own, and the second depends on the program that pulled.
_: throw "cooper: dockerTools.pullImage is not offered; pull the image once, to an archive of your own (`skopeo copy docker://NAME@DIGEST oci-archive:base.tar`), or keep nixpkgs' pullImage for it"
