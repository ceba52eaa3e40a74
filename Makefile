# `make build-all` and `make test` work on a fresh Debian 12 with Rust and root; build-all also on
# any machine with Nix. `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: help build-all test test-rust test-demo test-nix test-images test-fuzz lint bench fuzz \
	update-debian

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build-all: ## build the images and load them into Docker (PACKAGES=nixpkgs|debian, IMAGE_TAG=…, ARGS=…)
	@nix/run build-all $(ARGS)

test: ## install what the tests need and run all of them
	@tests/setup
	@$(MAKE) --no-print-directory test-rust test-demo test-nix test-images test-fuzz

test-rust: ## cooper's own tests, against real daemons and registries; with COOPER_TEST_NEW the newest too
	cargo test --locked $(if $(COOPER_TEST_NEW),-- --include-ignored)

test-demo: ## the programs that run inside and around images
	cargo test --locked --manifest-path nix/programs/Cargo.toml
	cargo test --locked --manifest-path demo/Cargo.toml

test-nix: ## nix/run on several machines; the flake and nix/debian, with a real Nix
	nix/tests/first-command
	nix/tests/run

test-images: ## the three images, in Docker, podman and a compose stack; dockerTools' examples in Docker
	tests/images
	tests/docker-tools

# The same numbers every time, so that one commit does not fail on what another one brought.
test-fuzz: ## every fuzz target for ten seconds
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-10} FUZZ_SEED=1 tests/fuzz

lint: ## rustfmt, clippy with the house lints, the tidy test, cargo deny, shellcheck where there
	tests/lint

bench: ## measure, as ratios within one run
	tests/bench

fuzz: ## a fuzz target a parser of foreign bytes (SECONDS=60 each)
	@FUZZ_SECONDS=$(or $(SECONDS),60) tests/fuzz

update-debian: ## pin the second package set to what Debian has today
	nix/debian/update-lock
