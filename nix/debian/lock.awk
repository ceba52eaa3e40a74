# Turns the `Packages` stanzas that apt chose into one architecture's part of lock.json.
# A dependency is resolved to the package that stands for it among those chosen; what
# only maintainer scripts need (left_out) is dropped, and then whatever nothing reaches.
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

# Of "a (>= 1) | b:any", the chosen package that satisfies it; "" when it is left out.
function resolve(dependency,    alternatives, n, i, word) {
    n = split(dependency, alternatives, / *\| */)
    for (i = 1; i <= n; i++) {
        word = alternatives[i]
        sub(/[ :(].*/, "", word)
        if (word in skip) return ""
        if (word in provider && !(provider[word] in skip)) return provider[word]
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
    n = split(left_out, words, " ")
    for (i = 1; i <= n; i++) skip[words[i]]
    n = split(wanted, words, " ")
    for (i = 1; i <= n; i++) {
        if (!(words[i] in version)) {
            print "lock.awk: apt did not choose " words[i] "\n" > "/dev/stderr"
            exit 1
        }
        reach(words[i])
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
