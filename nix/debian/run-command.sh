# runCommand: $commands in a bash that stops at the first failure.
exec bash -euo pipefail -c "$commands"
