# Checks that $grafana or the plugin in $checked has a plugin for the type of every data source in
# $provisioning. Grafana starts without one, and each query of that data source fails.
#
# Read of YAML is what Grafana's own examples use: a list in block style, whose entries are in block
# style or in braces on one line. Any other form, and a type with a variable in it, is passed over.
types_in() {
    awk '
        function type_of(field) {
            if (field !~ /^["\047]?type["\047]?:[ \t]/) return
            sub(/^[^:]*:[ \t]+/, "", field)
            sub(/[ \t]+#.*$/, "", field)
            gsub(/^["\047]|["\047]?[ \t]*$/, "", field)
            if (field !~ /[$]/ && field != "") print field
        }
        # The fields of `{…}`, without what is in further braces or brackets.
        function in_braces(text,    at, depth, letter, field) {
            for (at = 1; at <= length(text); at++) {
                letter = substr(text, at, 1)
                if (letter ~ /[]}]/) depth--
                if (depth == 1 && letter != ",") field = field letter
                if (depth == 1 && letter == "," || depth == 0) {
                    sub(/^[ \t]+/, "", field)
                    type_of(field)
                    field = ""
                }
                if (letter ~ /[[{]/) depth++
                if (depth == 0) return
            }
        }
        { sub(/\r$/, "") }
        /^[ \t]*(#|$)/ { next }
        /^[^ \t-]/ || /^---/ { inside = /^datasources:[ \t]*(#.*)?$/; dash = -1; next }
        !inside { next }
        {
            match($0, /^ */)
            indent = RLENGTH
            line = substr($0, indent + 1)
            if (line ~ /^- / && (dash < 0 || indent == dash)) {
                dash = indent
                match(line, /^- +/)
                indent += RLENGTH
                line = substr(line, RLENGTH + 1)
                fields = indent
                if (line ~ /^[{]/) in_braces(line)
            }
            if (indent == fields && line !~ /^[{]/) type_of(line)
        }
    ' "$1"
}

known=$(
    for dir in "$grafana"/share/grafana/public/app/plugins "$grafana"/share/grafana/data/plugins-bundled \
        "$checked"/files; do
        [ ! -d "$dir" ] || find -L "$dir" -name plugin.json -exec "$jq" -r '.id?, .aliasIDs[]?' {} +
    done
)
missing=
for file in "$provisioning"/datasources/*.yaml "$provisioning"/datasources/*.yml; do
    [ -f "$file" ] || continue
    for type in $(types_in "$file"); do
        if ! grep -qxF -e "$type" <<<"$known"; then
            echo "error: there is no plugin for the data source type \`$type\` of datasources/${file##*/}" >&2
            missing=1
        fi
    done
done
if [ -n "$missing" ]; then
    echo "hint: give a \`grafana\` that has the plugin (from version 13.2 on in data/plugins-bundled), or a \`provisioning\` without the data source; looked at: $grafana/share/grafana and the given plugin" >&2
    exit 1
fi
