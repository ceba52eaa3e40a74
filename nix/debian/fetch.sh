# Fetches one pinned package file with apt's downloader, from the first of the machine's apt sources
# that has it. Package lists are not read: a machine can build before its first `apt-get update`,
# and a version that left the lists is found as long as the archive keeps the file.
sites=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | sort -u)
if [ -z "$sites" ]; then
    echo "nix/debian: apt has no package sources" >&2
    echo "hint: add Debian's sources to /etc/apt" >&2
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
    echo "nix/debian: Debian no longer offers $package $version ($architecture)" >&2
    echo "hint: run \`make update-debian\` to pin the current version" >&2
else
    echo "nix/debian: failed to fetch $package $version ($architecture) from any apt source" >&2
fi
exit 1
