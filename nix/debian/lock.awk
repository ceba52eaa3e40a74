# Turns the `Packages` stanzas that apt chose into one architecture's part of lock.json.
# A dependency is resolved to the chosen package that provides it. Packages that only maintainer
# scripts need (left_out) are dropped, and then packages that no other package reaches.
BEGIN { RS = ""; FS = "\n"; ORS = "" }

{
    delete field
    for (i = 1; i <= NF; i++)
        if (match($i, /^[A-Za-z0-9-]+: /))
            field[substr($i, 1, RLENGTH - 2)] = substr($i, RLENGTH + 1)
    name = field["Package"]
    version[name] = field["Version"]; file[name] = field["Filename"]
    size[name] = field["Size"]; sha256[name] = field["SHA256"]
    needs[name] = field["Pre-Depends"] ", " field["Depends"]
    provider[name] = name
    count = split(field["Provides"], provided, /, */)
    for (i = 1; i <= count; i++) {
        sub(/ .*/, "", provided[i])
        if (!(provided[i] in provider)) provider[provided[i]] = name
    }
}

# Returns the chosen package that satisfies a dependency such as "a (>= 1) | b:any", or "" if it is
# left out.
function resolve(dependency,    alternatives, n, i, candidate) {
    n = split(dependency, alternatives, / *\| */)
    for (i = 1; i <= n; i++) {
        candidate = alternatives[i]
        sub(/[ :(].*/, "", candidate)
        if (candidate in skip) return ""
        if (candidate in provider && !(provider[candidate] in skip)) return provider[candidate]
    }
    return ""
}

function reach(name,    parts, n, i, found, list) {
    if (name in depends) return
    depends[name] = ""
    n = split(needs[name], parts, /, */)
    for (i = 1; i <= n; i++) {
        found = resolve(parts[i])
        if (found == "" || found == name || index(list, "\"" found "\"")) continue
        list = list (list == "" ? "" : ", ") "\"" found "\""
        reach(found)
    }
    depends[name] = list
}

function sorted(set, out,    name, n, i, held) {
    for (name in set) {
        for (i = ++n; i > 1 && out[i - 1] > name; i--) out[i] = out[i - 1]
        out[i] = name
    }
    return n
}

END {
    n = split(left_out, names, " ")
    for (i = 1; i <= n; i++) skip[names[i]]
    n = split(wanted, names, " ")
    for (i = 1; i <= n; i++) {
        if (!(names[i] in version)) {
            print "lock.awk: apt did not choose " names[i] "\n" > "/dev/stderr"
            exit 1
        }
        reach(names[i])
    }
    n = sorted(depends, order)
    print "{"
    for (i = 1; i <= n; i++) {
        name = order[i]
        print (i > 1 ? "," : "") "\n    \"" name "\": {\"version\": \"" version[name] \
            "\", \"size\": " size[name] ", \"sha256\": \"" sha256[name] "\",\n      \"file\": \"" \
            file[name] "\",\n      \"depends\": [" depends[name] "]}"
    }
    print "\n  }"
}
