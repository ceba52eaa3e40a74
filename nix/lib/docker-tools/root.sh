# Lays out an image's `/` in $out/tree and writes $out/tree.json, which has the modes that
# the store drops, and the owners that $fakeRootCommands gave. Of two contents with one path,
# the first one's is taken. $how is
#   link      a link for each file; a folder that one content alone has a link to stays a link
#   copy      the files themselves; links to folders become folders
#   dirlinks  the files themselves; links to folders stay links
in_environment out contents how owner cooper extraCommands
[ -z "${fakeRootCommands+x}" ] || in_environment fakeRootCommands fakeroot
mkdir -p "$out/tree"
cd "$out/tree"

# What is there already stays: it is of now, and all that comes is of the store, whose times are
# of 1970. `-n` says so too, but from coreutils 9.2 to 9.4 a file that it leaves is a failure.
add() { cp -u "$@"; }

# The store's folders are read-only, and more is to come into them.
open_folders() { find . -type d -exec chmod 0755 {} +; }

# Of a path that leads through more than 40 links, the system follows none.
not_in_circles() {
    if [ "$1" -gt 30 ]; then
        echo "error: links in $item lead in circles" >&2
        exit 1
    fi
}

# link_folder FROM TO DEPTH. Where one content has a folder and another one a link to a folder,
# the files of both are there. Links name paths below the content itself: of a content that is a
# link, or that has one, nothing else may refer to the store path in which the link is.
link_folder() {
    not_in_circles "$3"
    find -H "$1" -mindepth 1 -xtype d -printf '%P\0' | while IFS= read -r -d '' path; do
        [ -d "$2/$path" ] || continue
        if [ -L "$2/$path" ]; then
            first=$(readlink "$2/$path")
            rm -- "$2/$path"
            cp -rsHT -- "$first" "$2/$path"
            open_folders
        fi
        if [ -L "$1/$path" ]; then
            link_folder "$1/$path" "$2/$path" $(($3 + 1))
        fi
    done
    add -rsHT -- "$1" "$2"
    open_folders
}

# copy_folder FROM TO DEPTH
copy_folder() {
    not_in_circles "$3"
    add -rP --no-preserve=ownership -- "$1/." "$2"
    open_folders
    find -H "$1" -mindepth 1 -type l -xtype d -printf '%P\0' | while IFS= read -r -d '' link; do
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
    link) link_folder "$item" . 0 ;;
    copy) copy_folder "$item" . 0 ;;
    dirlinks) add -rP --no-preserve=ownership -- "$item/." . ;;
    esac
    open_folders
done
# What builders leave for other builders.
rm -rf nix-support

(eval "$extraCommands")

cd "$out"
if [ -n "${fakeRootCommands:-}" ]; then
    # Owners and modes are fakeroot's alone and end with it: they are listed before.
    # shellcheck disable=SC2016 # for the shell inside
    "$fakeroot" bash -e -o pipefail -c '
        cd tree
        [ ! -e "${stdenv:-}/setup" ] || . "$stdenv/setup"
        (eval "$fakeRootCommands")
        find . -mindepth 1 -printf "%y %m %U %G %P\0" >"$out/owners"
    '
    owner="--owners owners"
fi
# shellcheck disable=SC2086 # several words
"$cooper" spec from-tree tree -o tree.json $owner
rm -f owners
