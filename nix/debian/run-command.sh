# runCommand: $commands in a bash that stops at the first failure. Not by `exec`: bash may
# become the last command, coreutils close their error output before they end, and Nix
# kills a builder that has closed it.
bash -euo pipefail -c "$commands"
exit 0
