# Accounts that shadow's own programs add, by scripts under fakeroot.
{
  pkgs,
  dockerTools,
  foreign,
}:
{
  accounts = dockerTools.buildLayeredImage {
    name = "accounts";
    tag = "latest";
    # Links to accounts, which become files.
    contents = [ pkgs.coreutils pkgs.bash dockerTools.fakeNss ];
    fakeRootCommands = ''
      ${dockerTools.shadowSetup}
      groupadd --system app
      useradd --system --gid app --home-dir /data --shell /bin/bash app
      groupadd extra
      usermod --append --groups extra nobody
      mkdir data log
      cd log && touch one
      chown -R app: ../data
      chown --reference=../data .
      chown :extra one
    '';
    config.User = "app";
    checks.skip = [ "runAsNonRoot" ];
  };
  accounts-alone = dockerTools.buildLayeredImage {
    name = "accounts-alone";
    tag = "latest";
    fakeRootCommands = ''
      ${dockerTools.shadowSetup}
      useradd --no-create-home --home-dir / --shell /sh --uid 70 --user-group app
      userdel root
    '';
  };
}
