# Lays out an image's `/` in $out/tree and writes $out/tree.json, which has the modes that
# the store drops, and the owners that $fakeRootCommands gave. Of two contents with one path,
# the first one's is taken. $how is
#   link      a link for each file; a directory that one content alone has a link to stays a link
#   copy      the files themselves; links to directories become directories
#   dirlinks  the files themselves; links to directories stay links
in_environment out contents how owner cooper extraCommands
[ -z "${fakeRootCommands+x}" ] || in_environment fakeRootCommands fakeroot
mkdir -p "$out/tree"
cd "$out/tree"

# Copies files that do not exist yet. Existing files are newer than those of the store, whose times are
# of 1970. `-n` does the same, but in coreutils 9.2 to 9.4 it fails for an existing file.
add() { cp -u "$@"; }

# Directories of the store are read-only; other contents add files to them.
open_directories() { find . -type d -exec chmod 0755 {} +; }

# The kernel follows at most 40 links in a path.
limit_depth() {
    if [ "$1" -gt 30 ]; then
        echo "error: symlink loop in $item" >&2
        exit 1
    fi
}

# link_directory FROM TO DEPTH. Where one content has a directory and another one a link to a directory,
# the files of both exist. Links name paths below the content itself: of a content that is a
# link, or that has one, nothing else may refer to the store path in which the link is.
link_directory() {
    limit_depth "$3"
    find -H "$1" -mindepth 1 -xtype d -printf '%P\0' | while IFS= read -r -d '' path; do
        [ -d "$2/$path" ] || continue
        if [ -L "$2/$path" ]; then
            first=$(readlink "$2/$path")
            rm -- "$2/$path"
            cp -rsHT -- "$first" "$2/$path"
            open_directories
        fi
        if [ -L "$1/$path" ]; then
            link_directory "$1/$path" "$2/$path" $(($3 + 1))
        fi
    done
    add -rsHT -- "$1" "$2"
    open_directories
}

# copy_directory FROM TO DEPTH
copy_directory() {
    limit_depth "$3"
    add -rP --no-preserve=ownership -- "$1/." "$2"
    open_directories
    find -H "$1" -mindepth 1 -type l -xtype d -printf '%P\0' | while IFS= read -r -d '' link; do
        [ ! -L "$2/$link" ] || rm -- "$2/$link"
        mkdir -p -- "$2/$link"
        copy_directory "$1/$link" "$2/$link" $(($3 + 1))
    done
}

for item in $contents; do
    if [ ! -d "$item" ]; then
        echo "error: \`contents\` entry $item is not a directory" >&2
        echo "hint: add it to \`files\` with a path in the image" >&2
        exit 1
    fi
    case $how in
    link) link_directory "$item" . 0 ;;
    copy) copy_directory "$item" . 0 ;;
    dirlinks) add -rP --no-preserve=ownership -- "$item/." . ;;
    esac
    open_directories
done
# It is for builds and not for images.
rm -rf nix-support

(eval "$extraCommands")

cd "$out"
if [ -n "${fakeRootCommands:-}" ]; then
    # Owners and modes exist only while fakeroot runs, so they are listed before it exits.
    # shellcheck disable=SC2016 # for the shell inside
    "$fakeroot" bash -e -o pipefail -c '
        cd tree
        [ ! -e "${stdenv:-}/setup" ] || . "$stdenv/setup"
        (eval "$fakeRootCommands")
        find . -mindepth 1 -printf "%y %m %U %G %P\0" >"$out/owners"
    '
    owner="--owners owners"
fi
# shellcheck disable=SC2086 # several arguments
"$cooper" spec from-tree tree -o tree.json $owner
rm -f owners
