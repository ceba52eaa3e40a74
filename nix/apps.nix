# The programs of `nix run`. build-all and similar programs pass specs to `cooper load`, which assembles
# and loads the images; an archive is written only if no daemon answers. The app of an image loads it,
# because its package is an archive, which cannot be run.
{
  pkgs,
  cooper,
  images,
}:
let
  script = name: description: text: {
    type = "app";
    program = "${pkgs.buildPackages.writeShellScriptBin name text}/bin/${name}";
    meta = { inherit description; };
  };

  # The names for `--only`.
  named = {
    backend = images.backend-docker;
    grafana = images.grafana-with-plugin;
    plugin-init = images.plugin-init;
  };
  names = builtins.attrNames named;
  specOf = image: "${image.spec}/spec.json";
  specs = map (name: specOf named.${name}) names;

  load = "${cooper}/bin/cooper load";
  options = ''--or-save images ''${IMAGE_TAG:+--tag "$IMAGE_TAG"}'';

  # Prometheus is built only on request, so the program contains only the path of its derivation.
  prometheusRecipe = builtins.unsafeDiscardOutputDependency images.prometheus-docker.spec.drvPath;
  prometheusSpec = builtins.unsafeDiscardStringContext images.prometheus-docker.spec.outPath;

  buildAll = ''
    set -euo pipefail
    usage() {
      echo "usage: [IMAGE_TAG=TAG] build-all [--only NAME]… [--with-stack] [options of cooper load]"
      echo "names: ${toString names}"
    }
    spec_of() {
      case $1 in
        ${builtins.concatStringsSep "\n        " (
          map (
            name: ''${name} | ${named.${name}.imageName}) echo ${specOf named.${name}} ;;''
          ) names
        )}
        *)
          echo "error: unknown image \`$1\`" >&2
          echo "hint: use one of: ${toString names}" >&2
          return 1 ;;
      esac
    }
    specs=() rest=() stack=
    while [ $# -gt 0 ]; do
      case $1 in
        --only)
          [ $# -gt 1 ] || { echo "error: --only needs a name" >&2; usage >&2; exit 1; }
          spec=$(spec_of "$2") || exit 1
          specs+=("$spec")
          shift ;;
        --with-stack) stack=1 ;;
        -h | --help) usage; exit 0 ;;
        *) rest+=("$1") ;;
      esac
      shift
    done
    [ ''${#specs[@]} -gt 0 ] || specs=(${toString specs})
    if [ -n "$stack" ]; then
      # Without a terminal, Nix prints nothing while it builds.
      case " ''${rest[*]} " in
        *" --quiet "* | *" --json "*) ;;
        *) [ -e ${prometheusSpec} ] || echo "building the spec of ${images.prometheus-docker.imageName}" >&2 ;;
      esac
      # `nix run` creates no garbage collector root either, so the warning about roots is off.
      # `--quiet` omits the list of derivations; `bar` shows progress on a terminal, as `nix build` does.
      spec=$(nix-store --realise --no-gc-warning --quiet --log-format bar ${prometheusRecipe})
      specs+=("$spec/spec.json")
    fi
    exec ${load} ${options} "''${rest[@]}" "''${specs[@]}"
  '';
  buildOne =
    name:
    script "build-${name}" "Build ${named.${name}.imageName} and load it into Docker" ''exec ${load} ${options} "$@" ${specOf named.${name}}'';
  loadOne = _: image: {
    type = "app";
    program = "${image.load}/bin/${image.load.meta.mainProgram}";
    meta.description = "Load ${image.imageName} into Docker, podman or containerd";
  };
in
builtins.mapAttrs loadOne images
// rec {
  build-all = script "build-all" "Build all images and load them into Docker" buildAll;
  build-backend = buildOne "backend";
  build-grafana = buildOne "grafana";
  build-plugin-init = buildOne "plugin-init";
  list-images = script "list-images" "List the images of this flake, and what Docker has of them" ''exec ${cooper}/bin/cooper list "$@" ${toString specs}'';
  default = build-all;
}
