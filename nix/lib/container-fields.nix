# Fields of Docker's config that belong to a container, with the option that sets each. No runtime
# reads them from an image.
{
  AttachStderr = "docker run --attach";
  AttachStdin = "docker run --attach";
  AttachStdout = "docker run --attach";
  Domainname = "docker run --domainname";
  Hostname = "docker run --hostname";
  MacAddress = "docker run --mac-address";
  NetworkDisabled = "docker run --network none";
  OpenStdin = "docker run --interactive";
  StdinOnce = "docker run --interactive";
  StopTimeout = "docker run --stop-timeout";
  Tty = "docker run --tty";
}
