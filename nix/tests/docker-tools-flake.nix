# The flake that nix/tests/run builds the images of: one for each way in which dockerTools
# lays out `/`, of two small packages that collide.
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
    let
      forSystem =
        system: pkgs:
        let
          dockerTools = (cooper.lib.mkLib pkgs).dockerTools;
          second = pkgs.runCommand "second" { } ''
            mkdir -p "$out/bin"
            echo second >"$out/bin/both"
            echo two >"$out/bin/two"
            chmod +x "$out/bin/two"
          '';
          first = pkgs.runCommand "first" { inherit second; } ''
            mkdir -p "$out/bin" "$out/nix-support"
            echo "first needs $second" >"$out/bin/both"
            ln -s bin "$out/sbin"
          '';
          # Store paths that are links, and a directory that is one; no other package names them.
          linkTo = name: package: pkgs.runCommand name { inherit package; } ''ln -s "$package" "$out"'';
          link = linkTo "link" second;
          through = pkgs.runCommand "through" { link = linkTo "inner" second; } ''
            mkdir "$out"
            ln -s "$link/bin" "$out/bin"
          '';
          contents = [
            first
            second
          ];
          extraCommands = ''
            mkdir -m 1777 tmp
            mkdir -p etc/app
            echo on >etc/app/conf
            chmod 0640 etc/app/conf
          '';
          structured = import nixpkgs {
            inherit system;
            config.structuredAttrsByDefault = true;
          };
          # From coreutils 9.2 to 9.4, `-n` fails when it leaves a file.
          failingCp = pkgs.buildPackages.writeShellScriptBin "cp" ''
            PATH=''${PATH#*:}
            cp "$@"
            for argument; do
              case $argument in --) exit 0 ;; --no-clobber | -[!-]*n* | -n*) exit 1 ;; esac
            done
          '';
          withFailingCp =
            pkgs
            // {
              runCommand =
                name: environment: commands:
                pkgs.runCommand name environment "PATH=${failingCp}/bin:$PATH\n${commands}";
            };
          onOther = (cooper.lib.mkLib withFailingCp).dockerTools;
          linkedBy =
            tools:
            tools.buildLayeredImage {
              name = "linked";
              tag = "v1";
              inherit contents extraCommands;
              compressor = "none";
              directories."/data".uid = 999;
            };
          copiedBy =
            tools:
            tools.buildImage {
              name = "copied";
              tag = "v1";
              copyToRoot = contents;
              inherit extraCommands;
              compressor = "none";
              uid = 7;
              gid = 8;
            };
        in
        rec {
          linked = linkedBy dockerTools;
          copied = copiedBy dockerTools;
          linkedByFailingCp = linkedBy onOther;
          copiedByFailingCp = copiedBy onOther;
          links = dockerTools.buildLayeredImage {
            name = "links";
            tag = "v1";
            contents = [ link ];
            compressor = "none";
          };
          # A directory of the one, and a link to a directory of the other.
          linksMerged = dockerTools.buildLayeredImage {
            name = "links-merged";
            tag = "v1";
            contents = [
              first
              through
            ];
            compressor = "none";
          };
          linksCopied = dockerTools.buildImage {
            name = "links-copied";
            tag = "v1";
            copyToRoot = [ link ];
            compressor = "none";
          };
          linksOwn = (cooper.lib.mkLib pkgs).buildImage {
            name = "links-own";
            tag = "v1";
            contents = [
              link
              through
            ];
            compression = "none";
          };
          linksWithoutStore = (cooper.lib.mkLib pkgs).buildImage {
            name = "links-without-store";
            tag = "v1";
            contents = [ link ];
            includeStorePaths = false;
            compression = "none";
          };
          linksOfTheSet = dockerTools.buildLayeredImage {
            name = "links-of-the-set";
            tag = "v1";
            contents = [ pkgs.bashInteractive ];
            compressor = "none";
          };
          streamed = dockerTools.streamLayeredImage {
            name = "streamed";
            tag = "v1";
            inherit contents;
          };
          based = dockerTools.buildImage {
            name = "based";
            tag = "v1";
            fromImage = linked;
            fromImageName = "linked";
            fromImageTag = "v1";
            extraCommands = "echo above >above";
            compressor = "none";
          };
          # base.lock.json is written by the test that builds these.
          pulled = dockerTools.pullImage {
            imageName = builtins.getEnv "COOPER_TEST_REGISTRY" + "/base/linked";
            finalImageName = "pulled";
            finalImageTag = "v1";
            sha256 = "what skopeo made of it";
            lock = ./base.lock.json;
          };
          onPulled = dockerTools.buildImage {
            name = "on-pulled";
            tag = "v1";
            fromImage = pulled;
            extraCommands = "echo above >above";
            compressor = "none";
          };
          locked = (cooper.lib.mkLib pkgs).buildImage {
            name = "locked";
            tag = "v1";
            base.lock = ./base.lock.json;
            files."/above".text = "above\n";
            compression = "none";
          };
          merged = dockerTools.mergeImages [
            linked
            copied
          ];
          # The same two where attributes are structured unless a package says otherwise, and one by
          # functions that do not say so.
          linkedStructured = (forSystem system structured).linked;
          copiedStructured = (forSystem system structured).copied;
          unsaid =
            (import "${cooper}/nix/lib" {
              pkgs = structured;
              cooper = cooper.packages.${system};
            }).dockerTools.buildLayeredImage
              {
                name = "unsaid";
                inherit contents;
              };
          root = dockerTools.buildImage {
            name = "root";
            runAsRoot = "mkdir /data";
          };
        };
    in
    {
      packages = builtins.mapAttrs forSystem nixpkgs.legacyPackages;
    };
}
