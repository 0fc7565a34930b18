# One command for people and CI. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

TARGET := x86_64-unknown-linux-gnu
AGENT := target/agent/$(TARGET)/agent/thaw-agent
SHIM := target/release/libthaw_lazymem_shim.so
THAW := target/release/thaw
DASHBOARD := web/dist/index.html
NODE_PACKAGES := web/node_modules/.package-lock.json sdk/typescript/node_modules/.package-lock.json
PYTHON := $(CURDIR)/target/test-clients/sdk-python/bin

export THAW_AGENT_BIN := $(CURDIR)/$(AGENT)
export THAW_SHIM_BIN := $(CURDIR)/$(SHIM)

.PHONY: has-node help setup setup-test agent shim web build demo test lint deny openapi simulate bench bench-forks bench-functions bench-vms bench-memory

help: ## What there is.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install what building and running Thaw needs (apt, root).
	@deploy/install-packages run

setup-test: ## Install what the tests need besides (apt, root).
	@deploy/install-packages run test
	@deploy/test-clients
	@test -x target/test-venv/bin/pip || /usr/bin/python3 -m venv target/test-venv
	@target/test-venv/bin/pip install --quiet --disable-pip-version-check -r deploy/test-requirements.txt

agent: ## Build the static guest agent.
	@RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --locked -p thaw-agent \
		--profile agent --target $(TARGET) --target-dir target/agent

shim: ## Build the library that is preloaded into a VMM.
	@cargo build --quiet --locked --release -p thaw-lazymem-shim

web: ## Build the dashboard, where there is Node 20.19 or newer with npm: web/dist
	@if deploy/has-node; then $(MAKE) --no-print-directory $(DASHBOARD); \
	else echo "This build has no dashboard: it takes Node 20.19 or newer with npm; then run this again."; fi

$(DASHBOARD): web/node_modules/.package-lock.json docs/openapi.json \
		$(shell find web -name node_modules -prune -o -path web/dist -prune -o -path web/e2e -prune -o -type f \
			-not -name schema.d.ts -print)
	@npm --prefix web --silent run build

%/node_modules/.package-lock.json: %/package-lock.json
	@npm --prefix $* --silent ci --no-audit --no-fund
	@touch $@

build: agent shim web ## Build thaw in release mode: target/release/thaw
	cargo build --locked --release -p thaw

demo: setup build ## Show it: a command and a code run, each in a fresh VM from a warm snapshot.
	@deploy/demo

has-node:
	@deploy/has-node || { echo "This takes Node 20.19 or newer with npm, to test the dashboard and the SDKs (https://nodejs.org)." >&2; exit 1; }

test: has-node setup-test agent shim web $(NODE_PACKAGES) ## Run all tests, real VMs and a real browser included.
	@npm --prefix web --silent test
	@npm --prefix sdk/typescript --silent test
	@cd sdk/python && $(PYTHON)/pytest --quiet
	@command -v cargo-nextest >/dev/null || cargo install --quiet --locked cargo-nextest
	cargo nextest run --workspace --locked
	@test -e /dev/vhost-vsock || echo "not exercised: vhost-vsock, which this kernel does not offer (/dev/vhost-vsock)"

lint: has-node $(NODE_PACKAGES) ## fmt, clippy, doc and dependency checks, warnings denied.
	@npm --prefix web --silent run check
	@npm --prefix sdk/typescript --silent run check
	@deploy/test-clients
	@cd sdk/python && $(PYTHON)/ruff format --check --quiet . && $(PYTHON)/ruff check --quiet . && $(PYTHON)/mypy --no-error-summary
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items
	@$(MAKE) --no-print-directory deny

deny: ## Bans, licences and sources of the dependencies.
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny
	cargo deny --all-features check bans licenses sources

openapi: ## Write docs/openapi.json and the reference in docs/API.md anew from the code.
	UPDATE_OPENAPI=1 cargo nextest run --locked -p thaw-api -E 'test(openapi_json_is_what_the_code_says)'

simulate: ## A day of bursty traffic in simulated time, against pools of a fixed size: bench/results/simulation.*
	@mkdir -p bench/results
	cargo run --quiet --locked --release -p thaw-bench --bin thaw-simulate -- \
		--json bench/results/simulation.json --table bench/results/simulation.md

bench-functions: setup-test build ## Measure functions: bench/results/functions.*
	cargo build --quiet --locked --release -p thaw-bench
	THAW_BENCH_RESULTS=functions deploy/bench functions

bench-forks: setup-test build ## Measure how long forks hold a VM up, and take: bench/results/forks.*
	cargo build --quiet --locked --release -p thaw-bench
	THAW_BENCH_RESULTS=forks deploy/bench forks

bench-vms: setup-test build ## Measure VMs that stay: bench/results/vms.*
	cargo build --quiet --locked --release -p thaw-bench
	THAW_BENCH_RESULTS=vms deploy/bench vms

bench: setup-test build ## Measure execs, functions, forks, VMs and memory: bench/results is written anew.
	cargo build --quiet --locked --release -p thaw-bench
	deploy/bench
	THAW_BENCH_RESULTS=functions deploy/bench functions
	THAW_BENCH_RESULTS=forks deploy/bench forks
	THAW_BENCH_RESULTS=vms deploy/bench vms
	deploy/bench-memory

bench-memory: setup-test agent shim ## Measure only how clones get their memory, and what they take.
	cargo build --quiet --locked --release -p thaw-bench
	deploy/bench-memory
