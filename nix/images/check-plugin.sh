# Checks the Grafana plugin in $plugin and writes the data for images to $out.
file=$plugin/plugin.json

fail() {
    echo "error: the Grafana plugin cannot be loaded: $1" >&2
    echo "hint: $2" >&2
    exit 1
}

# The string at a path of plugin.json; empty when it is anything else.
field() {
    "$jq" -r "$1 | if type == \"string\" then . else \"\" end" "$file"
}

[ -f "$file" ] || fail "$file is missing" \
    "the package must have plugin.json at its top, like the plugin's dist directory"
problem=$("$jq" empty "$file" 2>&1) || fail "$file is not JSON: $problem" "correct the file"
[ "$("$jq" -r type "$file")" = object ] || fail "$file is not a JSON object" "correct the file"
for name in id type info.version; do
    value=$(field "(try .$name catch null)")
    [ -n "$value" ] || fail "$file has no \`$name\`" "add \`$name\`, a string, to the file"
done
id=$(field .id)
case $id in
    *[!A-Za-z0-9._-]* | .*) fail "$file: \`id\` is \`$id\`" \
        "use only letters, digits and . _ - in the id, which names a directory" ;;
esac

mkdir -p "$out"
cp -rL "$plugin" "$out/files"
printf %s "$id" >"$out/id"
if [ -f "$plugin/MANIFEST.txt" ]; then
    echo '{}' >"$out/config.json"
else
    printf '{"Env":["GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=%s"]}\n' "$id" >"$out/config.json"
fi
