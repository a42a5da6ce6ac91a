# SPDX-License-Identifier: GPL-2.0
#
# Thin wrappers around scripts and cargo. `make help` lists the targets marked "##!",
# `make help-all` all targets, under the headings "##@".

programs := cargo build --locked --release --target x86_64-unknown-linux-musl -p machine -p suite -p demo -p lpm-cli -p 'example-*'
# A shell started before rustup was installed lacks its directory.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

help: ## the most useful targets
	@sed -n 's/^\([a-z0-9-]*\):.*##! /  \1\t/p' $(MAKEFILE_LIST) | expand -t 20

help-all: ##! all targets, grouped
	@sed -n 's/^##@ /\n/p; s/^\([a-z0-9-]*\):.*##!\{0,1\} /  \1\t/p' $(MAKEFILE_LIST) | expand -t 20

##@ Show

demo: setup ##! main demonstration: look up real packets in a BGP table (TABLE=file for your own, ARGS=options)
	scripts/kernel base
	$(programs)
	scripts/demo $(if $(TABLE),'$(TABLE)') $(if $(ARGS),-- $(ARGS))

tour: setup ## a map's life cycle step by step: reference counts, and the kernel functions that change them
	scripts/kernel base
	$(programs)
	scripts/vm -- target/x86_64-unknown-linux-musl/release/suite --tour

vm: setup ##! shell in the test machine (scripts/vm -- COMMAND runs a single command)
	scripts/kernel base
	$(programs)
	scripts/vm

##@ Test

test: setup ##! lint, core, fuzz, kunit, suite and suite-debug; the last line is "N passed, N failed"
	scripts/test

lint: ##! rustfmt, clippy, gofmt, shellcheck, checkpatch
	scripts/checks/lint

core: ## cargo tests, on the host
	scripts/test core

fuzz: setup ## fuzz targets of the core, FUZZ_SECONDS each (default 60)
	scripts/checks/fuzz

miri: ## unit and property tests of the core under Miri, strict provenance (needs a nightly toolchain with miri)
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo 'miri is missing; install it with: rustup toolchain install nightly --component miri,rust-src' >&2; exit 1; }
	MIRIFLAGS=-Zmiri-strict-provenance cargo +nightly miri test --locked -p lpm-mtrie-core --lib

kunit: ## KUnit tests, in the test machine
	scripts/test kunit

suite: ## test suite, in the test machine
	scripts/test suite

suite-debug: ## KUnit and the suite on the debug kernel
	scripts/test suite-debug

test-in-tree: setup ## KUnit and the suite with the map type built into the kernel
	scripts/test in-tree

test-arm64: ## KUnit and the suite on 64-bit Arm, cross-built and emulated
	scripts/setup arm64
	scripts/test suite-arm64

test-virtme: setup ## the suite under virtme-ng (docs/virtme-ng.md)
	scripts/test virtme

torture: ## torture test of the suite on the debug kernel, for TORTURE_SECONDS (default 600)
	scripts/test torture

torture-kcsan: ## concurrency tests of the suite on a KCSAN kernel, which detects data races
	scripts/test torture-kcsan

##@ Measure

bench: ##! in-kernel benchmark against LPM_TRIE (user-mode Linux); writes results/ (ARGS=--quick, or see scripts/bench --help)
	scripts/bench $(ARGS)

bench-core: setup ## benchmark of the core against other crates, on the host; writes results/ (ARGS='--tables bgp4', or a filter)
	scripts/bench-core $(ARGS)

##@ Test for longer

fuzz-vm: setup ## fuzzer of the suite, in the test machine, for SECONDS (default 600; SEED=number repeats a run)
	scripts/kernel base
	$(programs)
	scripts/vm --timeout 0 --env LPM_MTRIE_FUZZ_SECONDS=$(or $(SECONDS),600) $(if $(SEED),--env LPM_MTRIE_SEED=$(SEED)) \
		-- target/x86_64-unknown-linux-musl/release/suite fuzz

selftests: setup ## the kernel's own map tests, on the patched and the unpatched kernel
	scripts/checks/selftests

##@ Series

series-in-tree: ## write the in-tree form of the series to target/series-in-tree (scripts/series --help: how to change a patch)
	scripts/series in-tree

series-check: ## checkpatch, codespell, rustfmt and kernel-doc on the series (scripts/checks/series-check --help: more)
	scripts/checks/series-check text doc

series-check-all: ## every check of the series: also builds of each patch, configurations, sparse, coccinelle, rustdoc, arm64 (1 h)
	scripts/checks/series-check all

##@ Build

setup: ## install missing tools, saying what and why
	scripts/setup

kernel: ##! fetch, patch, configure and build Linux and the module (LINUX_SRC=tree or tarball)
	scripts/kernel base

kernel-debug: ## the same with kconfig/debug.config
	scripts/kernel debug

module: kernel ## same as kernel; rebuilds only the module if the kernel is up to date

user: ##! build the static programs: machine-init, suite, demo, lpm, examples
	$(programs)

deb: setup ## Debian packages of lpm and of the module's source for DKMS, in target/deb (scripts/test deb installs them)
	scripts/deb

fmt: ## format the Rust sources
	cargo fmt --all

clean: ## remove target/; the cache keeps kernels and downloads
	rm -rf target

.PHONY: help help-all demo tour vm test lint core fuzz miri kunit suite suite-debug test-in-tree test-arm64 test-virtme torture torture-kcsan bench bench-core selftests series-in-tree series-check series-check-all fuzz-vm setup kernel kernel-debug module user deb fmt clean
