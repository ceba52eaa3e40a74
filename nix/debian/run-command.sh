# runCommand: $commands in a bash that stops at the first failure. Not by `exec`: bash may
# become the last command, coreutils close their error output before they end, and Nix
# kills a builder that has closed it.
if [ -n "${structured:-}" ]; then
    # This is bash, and its variables are not in the environment of another one.
    set -o pipefail
    eval "$commands"
else
    bash -euo pipefail -c "$commands"
fi
exit 0
