# runCommand: runs $commands in a bash that stops at the first failure. There is no `exec`, because
# bash may replace itself by the last command, coreutils close standard error before they exit, and
# Nix kills a builder that has closed it.
if [ -n "${structured:-}" ]; then
    # The attributes are variables of this bash and not of its environment.
    set -o pipefail
    eval "$commands"
else
    bash -euo pipefail -c "$commands"
fi
exit 0
