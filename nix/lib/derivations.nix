# The derivations of an image: its spec, archive and layout, and the programs that load, push and
# stream it. All of them run cooper on the machine that builds.
{ pkgs, cooper }:
let
  inherit (pkgs.stdenv.buildPlatform) system;
  program = "${cooper.cooper}/bin/cooper";

  # `graphs` maps names to store paths; `closure` is the graph of the image. `configFragments` and
  # `trees` are files that exist only after a build; `spec from-attrs` merges them into the spec.
  specOf =
    {
      name,
      spec,
      configFragments,
      trees,
      graphs,
    }:
    derivation {
      name = "${name}-spec";
      inherit system spec configFragments trees;
      builder = program;
      args = [
        "spec"
        "from-attrs"
      ];
      __structuredAttrs = true;
      exportReferencesGraph = graphs;
    };

  # An output of finished specs. It contains the bytes of store paths, compressed or not, which Nix
  # must not take for references.
  build =
    {
      name,
      command ? "build",
      format,
      specs,
      # Additional attributes of the derivation.
      attributes ? { },
    }:
    derivation (
      {
        inherit name system;
        builder = program;
        # `--quiet`, because Nix's log looks like a terminal to programs.
        args = [
          command
          "--quiet"
        ]
        ++ map (spec: "${spec}/spec.json") specs
        ++ [
          "--format"
          format
          "-o"
          (placeholder "out")
        ];
        __structuredAttrs = true;
        unsafeDiscardReferences.out = true;
      }
      // builtins.removeAttrs attributes [
        "meta"
        "passthru"
      ]
    );

  # A program that runs cooper with the given arguments on the specs.
  script =
    {
      name,
      arguments,
      specs,
    }:
    pkgs.buildPackages.writeShellScriptBin name ''
      exec ${program} ${arguments} ${
        builtins.concatStringsSep " " (map (spec: "${spec}/spec.json") specs)
      } "$@"
    '';
in
{
  inherit specOf;

  # An index of images for several platforms.
  index =
    {
      name,
      specs,
      # Attributes of the archive's derivation.
      attributes ? { },
    }:
    let
      output =
        format: suffix: attributes:
        build {
          name = name + suffix;
          command = "index";
          inherit format specs attributes;
        };
    in
    {
      archive = output "archive" ".tar" attributes;
      layout = output "layout" "-layout" { };
      push = script {
        name = "push-${name}";
        arguments = "index";
        inherit specs;
      };
    };

  # The archive and the layout of one or more images, and programs for them.
  imageOutputs =
    {
      name,
      specs,
      # Attributes of the derivations of the archive and of the layout.
      attributes ? { },
      layoutAttributes ? { },
    }:
    {
      archive = build {
        name = "${name}.tar";
        format = "archive";
        inherit specs attributes;
      };
      layout = build {
        name = "${name}-layout";
        format = "layout";
        inherit specs;
        attributes = layoutAttributes;
      };
      load = script {
        name = "load-${name}";
        arguments = "load";
        inherit specs;
      };
      push = script {
        name = "push-${name}";
        arguments = "push";
        inherit specs;
      };
      stream = script {
        name = "stream-${name}";
        arguments = "build -o -";
        inherit specs;
      };
    };
}
