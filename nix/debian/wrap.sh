# A starter for $program of $environment. It uses the loader and the libraries of that environment,
# so that the program runs on hosts that lack them. The output with the program is $bin.
loader=$(find "$environment"/lib*/ -maxdepth 1 -name 'ld-linux-*' | head -n 1)
libraries=$(find "$environment/lib" "$environment/usr/lib" -maxdepth 1 -name '*-linux-gnu' | tr '\n' ':')
mkdir -p "$out" "$bin/bin"
cat >"$bin/bin/$program" <<SCRIPT
#!/bin/sh
exec $loader --library-path ${libraries%:} $environment/bin/$program "\$@"
SCRIPT
chmod +x "$bin/bin/$program"
