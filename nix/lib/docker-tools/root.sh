# Lays out an image's `/` in $out/tree and writes $out/tree.json, which has the modes that
# the store drops. Of two contents with one path, the first one's is taken. $how is
#   link      a link for each file, as symlinkJoin makes them
#   copy      the files themselves; links to folders become folders
#   dirlinks  the files themselves; links to folders stay links
mkdir -p "$out/tree"
cd "$out/tree"

# The store's folders are read-only, and more is to come into them.
open_folders() { find . -type d -exec chmod 0755 {} +; }

# copy_folder FROM TO DEPTH
copy_folder() {
    if [ "$3" -gt 40 ]; then
        echo "error: links in $item lead in circles" >&2
        exit 1
    fi
    cp -rPn --no-preserve=ownership -- "$1/." "$2"
    open_folders
    find "$1" -type l -xtype d -printf '%P\0' | while IFS= read -r -d '' link; do
        [ ! -L "$2/$link" ] || rm -- "$2/$link"
        mkdir -p -- "$2/$link"
        copy_folder "$1/$link" "$2/$link" $(($3 + 1))
    done
}

for item in $contents; do
    if [ ! -d "$item" ]; then
        echo "error: $item is in the contents and is no folder; name it in \`files\` with the path that it should get" >&2
        exit 1
    fi
    case $how in
    link) cp -rsnT -- "$(readlink -f "$item")" . ;;
    copy) copy_folder "$item" . 0 ;;
    dirlinks) cp -rPn --no-preserve=ownership -- "$item/." . ;;
    esac
    open_folders
done
# What builders leave for other builders.
rm -rf nix-support

(eval "$extraCommands")

cd "$out"
# shellcheck disable=SC2086 # several words
"$cooper" spec from-tree tree -o tree.json $owner
