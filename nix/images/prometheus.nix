# betrace-prometheus: Prometheus from the package set, for a compose stack that needs no
# image from outside.
{
  lib,
  prometheus,
  healthprobe,
  configuration,
  labels,
  tag ? "latest",
}:
let
  user = 65534;
  configFile = "/etc/betrace/prometheus.yml";
in
lib.buildImage {
  name = "betrace-prometheus";
  inherit tag;
  contents = [ prometheus ];
  presets = [
    "ca-certificates"
    "tzdata"
    "nss"
    "tmp"
  ];
  files."${configFile}".source = configuration;
  directories."/prometheus" = {
    mode = "0755";
    uid = user;
    gid = user;
  };
  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [ "${prometheus}/bin/prometheus" ];
    Cmd = [
      "--config.file=${configFile}"
      "--storage.tsdb.path=/prometheus"
    ];
    WorkingDir = "/prometheus";
    ExposedPorts = [ "9090/tcp" ];
    Healthcheck = {
      Test = [
        "CMD"
        "${healthprobe}/bin/healthprobe"
        "http://127.0.0.1:9090/-/healthy"
      ];
      Interval = "10s";
      Timeout = "3s";
      StartPeriod = "10s";
      Retries = 3;
    };
    Labels = labels // {
      "org.opencontainers.image.title" = "Prometheus";
      "org.opencontainers.image.description" = "Prometheus, scraping the BeTrace backend";
    };
  };
}
