# shellcheck shell=bash
# Starts a builder with structured attributes in the way of nixpkgs' stdenv: each attribute is a
# variable of this shell, a list is an array, and only outputs and the variables of `env` are
# exported.
. "$NIX_ATTRS_SH_FILE"
for key in "${!outputs[@]}"; do export "$key=${outputs[$key]}"; done
for key in "${!env[@]}"; do export "$key=${env[$key]}"; done
export PATH LC_ALL
structured=1
. "$1"
