# The derivations of an image: its spec, its archive, its layout, and the programs that
# move it. All of them run the cooper of the machine that builds.
{ pkgs, cooper }:
let
  inherit (pkgs.stdenv.buildPlatform) system;
  program = "${cooper.cooper}/bin/cooper";

  # Graphs are asked for by name: `closure` is the image's own. Fragments of the config
  # are what only a build knows, and so are trees; `spec from-attrs` merges them in.
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

  # What is built of finished specs. The bytes of store paths are in it, compressed or
  # not: those are no references.
  build =
    {
      name,
      verb ? "build",
      format,
      specs,
      # More of the derivation, or another name.
      attributes ? { },
    }:
    derivation (
      {
        inherit name system;
        builder = program;
        # Nix's log looks like a terminal and is none.
        args = [
          verb
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

  # One name for the images of several platforms.
  index =
    {
      name,
      specs,
      # Of the archive's derivation.
      attributes ? { },
    }:
    let
      written =
        format: suffix: attributes:
        build {
          name = name + suffix;
          verb = "index";
          inherit format specs attributes;
        };
    in
    {
      archive = written "archive" ".tar" attributes;
      layout = written "layout" "-layout" { };
      push = script {
        name = "push-${name}";
        arguments = "index";
        inherit specs;
      };
    };

  # An archive holds one image, a layout any number.
  imageOutputs =
    {
      name,
      specs,
      # Of the archive's derivation, and of the layout's.
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
