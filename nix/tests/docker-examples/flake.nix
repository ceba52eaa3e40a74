# The images that tests/docker-tools builds and runs.
{
  inputs.nixpkgs.url = "nixpkgs";
  inputs.cooper.url = "cooper";
  inputs.cooper.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      cooper,
    }:
    {
      packages = builtins.mapAttrs (
        _: pkgs:
        let
          mkTools = packages: (cooper.lib.mkLib packages).dockerTools;
          given = {
            inherit pkgs;
            dockerTools = mkTools pkgs;
            foreign = rec {
              pkgs = nixpkgs.legacyPackages.x86_64-linux.pkgsCross.aarch64-multiplatform;
              dockerTools = mkTools pkgs;
            };
          };
          images = import ./plain.nix given // import ./layered.nix given // import ./based.nix given // import ./with-nix.nix given // import ./accounts.nix given;
          names = builtins.attrNames images;
        in
        images
        // {
          # Each image by its attribute, and its name and tag.
          all = pkgs.runCommand "docker-examples" {
            inherit names;
            images = map (name: images.${name}) names;
            references = map (
              name: if images.${name} ? imageTag then "${images.${name}.imageName}:${images.${name}.imageTag}" else "several"
            ) names;
          } ''
            read -r -a names <<<"$names"
            read -r -a images <<<"$images"
            read -r -a references <<<"$references"
            mkdir "$out"
            for at in "''${!names[@]}"; do
                ln -s "''${images[at]}" "$out/''${names[at]}"
                echo "''${references[at]}" >"$out/''${names[at]}.name"
            done
          '';
        }
      ) nixpkgs.legacyPackages;
    };
}
