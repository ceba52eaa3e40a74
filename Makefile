# `make build-all` and `make test` work on a fresh Debian 12 with Rust and root. `make build-all` also
# works on any machine with Nix. `make help` lists the other targets.

.DEFAULT_GOAL := help
.PHONY: help build-all test-unit test test-rust test-demo test-nix test-images test-long test-fuzz \
	test-kills test-schemas test-newest lint bench fuzz update-debian

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build-all: ## build the images and load them into Docker (PACKAGES=nixpkgs|debian, IMAGE_TAG=…, ARGS=…)
	@nix/run build-all $(ARGS)

test-unit: ## tests that need only Rust: no root, no daemon
	cargo test --locked --lib
	cargo test --locked --doc
	cargo test --locked --test it -- --skip machine:: --skip interop:: --skip daemon:: --skip registry::

test: ## install what the tests need (Debian 12, root) and run the tests of everything that README promises
	@tests/setup
	@$(MAKE) --no-print-directory test-rust test-demo test-nix test-images

test-rust: ## all tests of the crate, with real daemons and registries
	cargo test --locked

test-demo: ## the demo, and the programs inside images
	cargo test --locked --manifest-path nix/programs/Cargo.toml
	cargo test --locked --manifest-path demo/Cargo.toml

test-nix: ## nix/run on several machines; the flake and nix/debian, with a real Nix
	nix/tests/first-command
	nix/tests/run

test-images: ## the images in Docker, podman and a compose stack; the examples of dockerTools in Docker
	tests/images
	tests/docker-tools

test-long: ## fuzzing, hundreds of kills, schemas of Kubernetes, the newest daemons
	@$(MAKE) --no-print-directory test-fuzz test-kills test-schemas test-newest

# A fixed seed, so that the result of a commit does not depend on chance.
test-fuzz: ## every fuzz target (FUZZ_SECONDS=60 each, with a fixed seed)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} FUZZ_SEED=1 tests/fuzz

test-kills: ## kill cooper at many moments of a build (COOPER_TEST_KILLS=300)
	COOPER_TEST_KILLS=$${COOPER_TEST_KILLS:-300} cargo test --locked --test it kill

test-schemas: ## the chart and the pod against the schemas of Kubernetes, with a validator from PyPI
	COOPER_TEST_PYPI=1 tests/images schemas

test-newest: ## the newest Docker, podman, compose and registry clients, from Debian's sid
	@tests/newest

lint: ## rustfmt, clippy, the tidy test, cargo doc; cargo-deny, shellcheck and nixfmt if they are installed
	tests/lint

bench: ## measure, as ratios within one run
	tests/bench

fuzz: ## fuzz every parser of foreign bytes (SECONDS=60 each)
	@FUZZ_SECONDS=$(or $(SECONDS),60) tests/fuzz

update-debian: ## pin the second package set to the current packages of Debian
	nix/debian/update-lock
