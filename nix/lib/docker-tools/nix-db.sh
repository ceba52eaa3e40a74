# Lays out Nix's database of the store paths that the image of $spec has in $out/tree, and
# writes $out/tree.json. It contains neither the time nor the directory of the build.
in_environment out spec cooper jq nixStore sqlite
state=$out/tree/nix/var/nix
mkdir -p "$state/db" "$state/gcroots/docker" loaded

"$cooper" plan --quiet --json "$spec/spec.json" >plan.json
"$jq" --slurpfile plan plan.json '
    ([$plan[0][].layers[].paths[] | {key: ., value: true}] | from_entries) as $stored
    | [.closure[] | select($stored[.path])]
' "$spec/spec.json" >paths.json

# Path, hash, size, no deriver, how many references, and those.
export NIX_REMOTE="local?root=$PWD/loaded" NIX_CONF_DIR=$PWD NIX_CONFIG="build-users-group =" USER=nobody
"$jq" -r '.[] | .path, .narHash, .narSize, "", (.references | length), .references[]' paths.json |
    "$nixStore" --load-db
# A new file has no traces of how the database was filled.
"$sqlite" loaded/nix/var/nix/db/db.sqlite \
    "UPDATE ValidPaths SET registrationTime = 1; VACUUM INTO '$state/db/db.sqlite'"
cp loaded/nix/var/nix/db/schema "$state/db"

# Kept by nix-collect-garbage: what nothing else refers to, and with it all the rest.
"$jq" -r '
    ([.[] | .path as $path | .references[] | select(. != $path) | {key: ., value: true}] | from_entries) as $held
    | .[].path | select($held[.] | not)
' paths.json | while IFS= read -r path; do ln -s "$path" "$state/gcroots/docker/"; done

cd "$out"
"$cooper" spec from-tree tree -o tree.json
