# shellcheck shell=bash
# Accounts in the current directory, for fakeRootCommands: creates missing files of accounts, and defines
# functions that run shadow's programs in $shadow on them. `chown` accepts their names too.
accounts=$PWD
# Without it, etc/shadow contains the day of the build.
export SOURCE_DATE_EPOCH=1

# account_file PATH TEXT: what a package brought is a link into the store, where nothing changes.
account_file() {
    if [ -L "$1" ]; then
        cp --remove-destination --no-preserve=mode -- "$(readlink -f "$1")" "$1"
    elif [ ! -e "$1" ]; then
        printf '%s' "$2" >"$1"
    fi
}
mkdir -p etc/pam.d
account_file etc/passwd $'root:x:0:0:root:/root:/bin/sh\n'
account_file etc/group $'root:x:0:\n'
account_file etc/shadow $'root:!:::::::\n'
account_file etc/gshadow $'root:!::\n'
account_file etc/login.defs ''
account_file etc/pam.d/other 'auth sufficient pam_rootok.so
auth required pam_unix.so
account required pam_unix.so
password required pam_unix.so
session required pam_unix.so
'
chmod 0600 etc/shadow etc/gshadow

# Without the copies that it leaves of what was before.
on_accounts() {
    "$shadow/$1" --prefix "$accounts" "${@:2}" &&
        rm -f -- "$accounts"/etc/{passwd,group,shadow,gshadow,subuid,subgid}-
}
useradd() { on_accounts useradd "$@"; }
usermod() { on_accounts usermod "$@"; }
userdel() { on_accounts userdel "$@"; }
groupadd() { on_accounts groupadd "$@"; }
groupmod() { on_accounts groupmod "$@"; }
groupdel() { on_accounts groupdel "$@"; }

# account FILE NAME FIELD: what stands there; the name itself when there is no such line.
account() {
    local line name=$2
    while IFS= read -r line; do
        if [ "${line%%:*}" = "$name" ]; then cut -d : -f "$3" <<<"$line" && return; fi
    done <"$accounts/etc/$1"
    echo "$name"
}
# The first argument that is not an option is the owner.
chown() {
    local args=() owner='' user group
    while [ $# -gt 0 ] && [[ $1 == -* ]]; do
        [[ $1 != --reference* ]] || owner=theirs
        args+=("$1") && shift
    done
    if [ -z "$owner" ] && [ $# -gt 0 ]; then
        user=${1%%:*} group=
        case $1 in
        ?*:) group=:$(account passwd "$user" 4) ;;
        *:*) group=:$(account group "${1#*:}" 3) ;;
        esac
        [ -z "$user" ] || user=$(account passwd "$user" 3)
        args+=("$user$group") && shift
    fi
    command chown "${args[@]}" "$@"
}
