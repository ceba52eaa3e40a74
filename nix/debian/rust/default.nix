{ runScript, hostSystem, buildSystem, runtime }: { rustPlatform = {}; cargo = null; rustc = null; rustfmt = null; clippy = null; }
