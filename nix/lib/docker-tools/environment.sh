# shellcheck shell=bash
# Read before the scripts of the builders here.

# in_environment NAME…: stops a builder that lacks one of these environment variables. With
# structured attributes they are variables of one shell, and lists of which "$NAME" is the first
# element: an image would lack the rest.
in_environment() {
    local name
    for name; do
        [[ $(declare -p "$name" 2>/dev/null) != "declare -x "* ]] || continue
        echo "error: \`$name\` is not an environment variable of this builder" >&2
        echo "hint: call runCommand with \`__structuredAttrs = false\`" >&2
        exit 1
    done
}
