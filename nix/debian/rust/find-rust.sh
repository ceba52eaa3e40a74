# Sourced. Finds the host's Rust and sets PATH and RUSTUP_HOME for it, and `account_cargo_home` to
# the cargo home of that Rust if it is writable. HOME keeps the value of Nix, a directory that does
# not exist: only crates.sh uses the account's files.
#
# A builder starts with an empty environment, so the directories of rustup, of the official
# containers and of Debian are searched.
account_home=$(getent passwd "$(id -u)" | cut -d: -f6)
account_cargo_home=
for home in "$account_home/.cargo" /root/.cargo /usr/local/cargo; do
    [ -x "$home/bin/cargo" ] || continue
    PATH=$home/bin:$PATH
    [ -w "$home" ] && account_cargo_home=$home
    rustup=${home%/*}/.rustup
    [ -d "$rustup" ] || rustup=${home%/*}/rustup
    [ -d "$rustup" ] && export RUSTUP_HOME="$rustup"
    break
done
if ! command -v cargo >/dev/null; then
    echo "nix/debian: cargo not found on this machine" >&2
    echo "hint: install Rust (rustup, or Debian's cargo package) and build again" >&2
    exit 1
fi
