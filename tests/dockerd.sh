# Functions for tests of images in a real Docker; the caller sets $pattern.
#
# The tests start a Docker daemon in its own network namespace, where it does not meet another one,
# and stop it by its process id.
# shellcheck shell=bash
work=$(mktemp -d)
daemon=
failed=0 ran=0
export XDG_CACHE_HOME=$work/cache DOCKER_HOST=unix://$work/docker.sock
export NIX_CONFIG="experimental-features = nix-command flakes
sandbox = false
build-users-group =
substituters ="

stop() {
    if [ -n "$daemon" ]; then
        docker ps -q 2>/dev/null | xargs -r docker rm -fv >/dev/null 2>&1
        kill "$daemon" && wait "$daemon"
    fi 2>/dev/null
    # podman's storage is a mount point, and Docker leaves the namespace of its network mounted.
    for mount in "$work/podman/overlay" "$work/docker-exec/netns/default"; do
        if mountpoint -q "$mount"; then umount --lazy "$mount"; fi
    done
    rm -rf "$work"
}
trap stop EXIT

start_docker() {
    unshare --net sh -c 'ip link set lo up; exec dockerd "$@"' dockerd \
        --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" \
        -H "$DOCKER_HOST" >"$work/docker.log" 2>&1 &
    daemon=$!
    for _ in $(seq 100); do
        docker version >/dev/null 2>&1 && return
        sleep 0.3
    done
    cat "$work/docker.log"
    exit 2
}

# On the daemon's side of the network.
there() { nsenter --net --target "$daemon" "$@"; }
get() { there curl --silent --show-error --fail --max-time 5 "$@"; }

# until SECONDS COMMAND…: repeats a command until it succeeds, at most for this time.
until_() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { "$@"; return 1; }
        sleep 0.5
    done
}

# holds SENTENCE FUNCTION ARGUMENTS…
holds() {
    local sentence=$1
    shift
    [[ $sentence =~ $pattern ]] || return 0
    ran=$((ran + 1))
    if "$@" >"$work/log" 2>&1; then
        echo "ok   $sentence"
    else
        failed=$((failed + 1))
        echo "FAIL $sentence"
        sed 's/^/     | /' "$work/log" | tail -n 40
    fi
}
