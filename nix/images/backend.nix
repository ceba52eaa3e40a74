# betrace-backend: the backend's closure, authorities, time zones, names, /tmp and a
# health probe. No shell, and no library that the backend does not need.
{
  lib,
  backend,
  healthprobe,
  labels,
  tag ? "latest",
}:
let
  program = backend.meta.mainProgram or backend.pname or (builtins.parseDrvName backend.name).name;
  user = 65532;
in
lib.buildImage {
  name = "betrace-backend";
  inherit tag;
  contents = [ backend ];
  presets = [
    "ca-certificates"
    "tzdata"
    "nss"
    "tmp"
  ];
  users.nonroot = {
    uid = user;
    home = "/";
    description = "the backend's user";
  };
  groups.nonroot.gid = user;

  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [ "${backend}/bin/${program}" ];
    # OTEL_EXPORTER_OTLP_ENDPOINT and PYROSCOPE_SERVER_ADDRESS reach the backend from
    # `docker run -e`; unset, it sends nothing.
    Env.PORT = "8080";
    ExposedPorts = [ "8080/tcp" ];
    Healthcheck = {
      Test = [
        "CMD"
        "${healthprobe}/bin/healthprobe"
        "http://127.0.0.1:\${PORT:-8080}/health"
      ];
      Interval = "10s";
      Timeout = "3s";
      StartPeriod = "5s";
      Retries = 3;
    };
    Labels = labels // {
      "org.opencontainers.image.title" = "BeTrace backend";
      "org.opencontainers.image.description" = "Finds broken invariants in OpenTelemetry traces";
    };
  };
  layering.changesOften = [
    program
    "healthprobe"
  ];
}
