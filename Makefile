# SPDX-License-Identifier: GPL-2.0
#
# The project's verbs; each is one line that a script or cargo does. `make help`.

programs := cargo build --locked --release --target x86_64-unknown-linux-musl -p machine -p suite -p demo -p lpm-cli -p 'example-*'
# A shell that was open before rustup came does not know its directory.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: setup ## the main job: boot, insert the module, resolve a BGP table (TABLE=file for yours, ARGS=options)
	scripts/kernel base
	$(programs)
	scripts/demo $(if $(TABLE),'$(TABLE)') $(if $(ARGS),-- $(ARGS))

tour: setup ## a map's life step by step: its counters, and the kernel functions that change them
	scripts/kernel base
	$(programs)
	scripts/vm -- target/x86_64-unknown-linux-musl/release/suite --tour

vm: setup ## a shell in the machine (scripts/vm -- COMMAND runs one command)
	scripts/kernel base
	$(programs)
	scripts/vm

test: setup ## everything below; ends with one line, "N passed, N failed"
	scripts/test

lint: ## rustfmt, clippy, shellcheck, checkpatch
	scripts/lint

core: ## the cargo tests, on the host
	scripts/test core

fuzz: setup ## the core's fuzz targets, FUZZ_SECONDS each (default 60)
	scripts/fuzz

miri: ## the core's unit and property tests under Miri, strict provenance (wants a nightly toolchain with miri)
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo 'miri: missing; install it with: rustup toolchain install nightly --component miri,rust-src' >&2; exit 1; }
	MIRIFLAGS=-Zmiri-strict-provenance cargo +nightly miri test --locked -p lpm-mtrie-core --lib

kunit: ## the module's KUnit tests, in the machine
	scripts/test kunit

suite: ## the suite, in the machine
	scripts/test suite

suite-debug: ## the suite, on the debug kernel
	scripts/test suite-debug

test-in-tree: setup ## KUnit and the suite with the map type built into the kernel
	scripts/test in-tree

test-arm64: ## KUnit and the suite in a machine of 64-bit Arm, cross-built and emulated
	scripts/setup arm64
	scripts/test suite-arm64

torture: ## the suite's torture test on the debug kernel, for TORTURE_SECONDS (600)
	scripts/test torture

torture-kcsan: ## the suite's tests with most concurrency on a kernel that finds data races (KCSAN)
	scripts/test torture-kcsan

bench: ## LPM_MTRIE against LPM_TRIE inside the kernel (user-mode Linux); writes results/ (ARGS=--quick, or see scripts/bench --help)
	scripts/bench $(ARGS)

bench-core: setup ## the structure against other crates, on the host; writes results/ (ARGS='--tables bgp4', or a filter)
	scripts/bench-core $(ARGS)

fuzz-vm: setup ## the suite's fuzzer in the machine for SECONDS=600 (SEED=number repeats a run)
	scripts/kernel base
	$(programs)
	scripts/vm --timeout 0 --env LPM_MTRIE_FUZZ_SECONDS=$(or $(SECONDS),600) $(if $(SEED),--env LPM_MTRIE_SEED=$(SEED)) \
		-- target/x86_64-unknown-linux-musl/release/suite fuzz

selftests: setup ## the kernel's own tests of maps, on the patched and on the unpatched kernel
	scripts/selftests

series-in-tree: ## the series with the map type in the tree, in target/series-in-tree (scripts/series --help: to change a patch)
	scripts/series in-tree

series-check: ## checkpatch, codespell, rustfmt, kernel-doc of the series, patch by patch (scripts/series-check --help: more)
	scripts/series-check text doc

series-check-all: ## what takes longer: each patch built, configurations, sparse, coccinelle, rustdoc, arm64 (an hour on 2 busy cores)
	scripts/series-check all

setup: ## install what is missing; says what and why
	scripts/setup

kernel: ## fetch, patch, configure and build Linux and the module (LINUX_SRC=tree or tarball)
	scripts/kernel base

kernel-debug: ## the same with kconfig/debug.config
	scripts/kernel debug

module: kernel ## the module alone, where the kernel is built already

user: ## the static programs: machine-init, suite, demo, lpm, examples
	$(programs)

fmt: ## format the Rust sources
	cargo fmt --all

clean: ## remove target/; kernels and downloads stay in the cache
	rm -rf target

.PHONY: help demo tour vm test lint core fuzz miri kunit suite suite-debug test-in-tree test-arm64 torture torture-kcsan bench bench-core selftests series-in-tree series-check series-check-all fuzz-vm setup kernel kernel-debug module user fmt clean
