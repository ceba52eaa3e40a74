# Fetches one pinned package file through apt's own downloader, from whichever of the
# machine's apt sources has it. It needs no package lists, so that a machine on which
# `apt-get update` never ran can build, and a version that the lists dropped is still
# found for as long as the archive keeps the file.
sites=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | sort -u)
if [ -z "$sites" ]; then
    echo "nix/debian: apt has no package sources; add Debian's to /etc/apt" >&2
    exit 1
fi

for site in $sites; do
    if /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 download-file \
        "${site%/}/$file" fetched.deb "SHA256:$sha256" >attempt.log 2>&1; then
        mv fetched.deb "$out"
        exit 0
    fi
    cat attempt.log >>log
done

cat log >&2
if grep -q -e ' 404 ' -e 'Hash Sum mismatch' log; then
    echo "nix/debian: Debian no longer offers $package $version ($architecture)." >&2
    echo "hint: run \`make update-debian\` to pin the version that it has now" >&2
else
    echo "nix/debian: could not fetch $package $version ($architecture): no apt source was reached" >&2
fi
exit 1
