# Sourced. Finds the host's Rust and sets PATH, HOME, CARGO_HOME and RUSTUP_HOME for it.
#
# Builders start with an empty environment, so the places are looked at that rustup, the
# official containers and Debian install to. The account's own CARGO_HOME is used where
# it can be written: crates then come down once a machine, not once a build, through
# whatever registry the machine is set up for.
HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
export HOME

for home in "$HOME/.cargo" /root/.cargo /usr/local/cargo; do
    [ -x "$home/bin/cargo" ] || continue
    PATH=$home/bin:$PATH
    [ -w "$home" ] && export CARGO_HOME="$home"
    rustup=${home%/*}/.rustup
    [ -d "$rustup" ] || rustup=${home%/*}/rustup
    [ -d "$rustup" ] && export RUSTUP_HOME="$rustup"
    break
done
if ! command -v cargo >/dev/null; then
    echo "nix/debian: no cargo on this machine" >&2
    echo "hint: install Rust (rustup, or Debian's cargo package) and build again" >&2
    exit 1
fi
: "${CARGO_HOME:=$NIX_BUILD_TOP/cargo-home}"
export CARGO_HOME
