# shellcheck shell=bash
# A builder with structured attributes, as nixpkgs' stdenv reads them: each is a variable of this
# shell, a list is an array, and only outputs and what `env` has are exported.
. "$NIX_ATTRS_SH_FILE"
for key in "${!outputs[@]}"; do export "$key=${outputs[$key]}"; done
for key in "${!env[@]}"; do export "$key=${env[$key]}"; done
export PATH LC_ALL
structured=1
. "$1"
