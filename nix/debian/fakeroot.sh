# $environment's fakeroot, with that environment's library and daemon.
mkdir -p "$out/bin"
set -- "$environment"/usr/lib/*-linux-gnu/libfakeroot/libfakeroot-sysv.so
cat >"$out/bin/fakeroot" <<SCRIPT
#!/bin/sh
exec $environment/usr/bin/fakeroot-sysv --lib $1 --faked $environment/usr/bin/faked-sysv "\$@"
SCRIPT
chmod +x "$out/bin/fakeroot"
