# shadowSetup: commands for fakeRootCommands, after which useradd and its like work on the image's
# own accounts.
{ pkgs }: "shadow=${pkgs.buildPackages.shadow}/bin\n${builtins.readFile ./shadow-setup.sh}"
