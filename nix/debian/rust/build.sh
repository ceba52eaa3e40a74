# Builds a cargo package with the host's Rust. As with nixpkgs' buildRustPackage, every executable of
# the release profile is installed to bin.
. "$findRust"
. "$cargoSettings"

work=$NIX_BUILD_TOP/work
cp -R "$src" "$work"
chmod -R u+w "$work"
cd "$work"
cmp -s "$lockFile" Cargo.lock || cp "$lockFile" Cargo.lock

# The sources are newer than the unpacked artifacts, so cargo compiles them.
if [ -n "$dependencies" ]; then
    mkdir "$CARGO_TARGET_DIR"
    tar --extract --file "$dependencies" --directory "$CARGO_TARGET_DIR"
fi
eval "$preBuild"
cargo build --release --locked --target "$target" -j "${NIX_BUILD_CORES:-1}" $buildFlags
if [ -n "$doCheck" ]; then
    cargo test --release --locked --target "$target" -j "${NIX_BUILD_CORES:-1}" $testFlags
fi

mkdir -p "$out/bin"
find "$CARGO_TARGET_DIR/$target/release" -maxdepth 1 -type f -executable ! -name '*.so' \
    -exec cp {} "$out/bin/" \;
if [ -z "$(ls "$out/bin")" ]; then
    echo "nix/debian: $pname has no program" >&2
    exit 1
fi
eval "$postInstall"
# The archives for static linking contain the path of their glibc.
for input in $buildInputs; do
    [ -z "$trees" ] && [ -f "$input/lib/libc.a" ] || continue
    for program in "$out"/bin/*; do objcopy --add-section .note.libc="$input/lib/libc.a" "$program"; done
done
if [ -n "$crates" ] && grep -q "$crates" "$out"/bin/*; then
    echo "nix/debian: a program of $pname contains a path of its crates, which would add them to its closure" >&2
    exit 1
fi
if command -v strip >/dev/null; then strip --strip-debug "$out"/bin/*; fi
for directory in $stripAllList; do strip --strip-all "$out/$directory"/*; done
for input in $nativeBuildInputs; do PATH=$input/bin:$PATH; done
eval "$postFixup"
[ -n "$trees" ] || exit 0

# A dynamic program finds its loader and its libraries in the image that contains it, so they are
# part of this package. The host linked the program; it must run with the pinned libraries.
perl "$linker"
loader=$(find "$out"/lib*/ -maxdepth 1 -name 'ld-linux-*' | head -n 1)
libraries=$(find "$out/lib" "$out/usr/lib" -maxdepth 1 -name '*-linux-gnu' | tr '\n' ':')
for program in "$out"/bin/*; do
    if ! "$loader" --library-path "${libraries%:}" --list "$program" >needs.log 2>&1; then
        cat needs.log >&2
        echo "nix/debian: $pname does not run with Debian's pinned libraries, which are older than the host's" >&2
        echo "hint: build on the Debian release that nix/debian/lock.json pins" >&2
        exit 1
    fi
done
