# Every check and every demonstration, for people and for CI alike. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The recipes name what cargo built by its path.
export CARGO_TARGET_DIR := target
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

STORE ?= sqlite
DATA ?= ../shared/data/oulad
BENCH_ROWS ?= 2000000
RUNS ?= 5
# A seed of the moment, the same for the whole target; `make fuzz SEED=…` looks at a known one again.
FUZZ_SEED_OF_NOW := $(or $(SEED),$(shell date +%s))

LOCKED := $(if $(CI),--locked)
WITH_SERVICES := scripts/with-services.sh
# A workspace of its own.
PDF := --manifest-path crates/certificate-pdf/Cargo.toml

# The stores that `demo` and `oulad` can run on.
ifeq ($(filter sqlite postgres,$(STORE)),)
$(error STORE is `$(STORE)`; it can be sqlite or postgres)
endif

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(if $(filter postgres,$(STORE)),setup) ## See it work from rule to certificate [STORE=sqlite|postgres]
	@cargo build $(LOCKED) --bin kigen --bin kigen-demo
ifeq ($(STORE),postgres)
	@$(WITH_SERVICES) -- sh -c 'exec target/debug/kigen-demo --dir target/demo \
	  --store-url "$$KIGEN_TEST_POSTGRES_URL" --s3-endpoint "$$KIGEN_TEST_S3_ENDPOINT"'
else
	@target/debug/kigen-demo --dir target/demo
endif

.PHONY: certificate-pdf
certificate-pdf: setup ## Build the program that sets certificates as PDF (some minutes, once)
	cargo build --release $(LOCKED) $(PDF)
	@echo "built target/release/certificate-pdf: put it on the PATH, or name it in kigen.toml: [certificates] pdf" >&2

.PHONY: clean-demo
clean-demo: ## Remove what `demo` and `oulad` left
	rm -rf target/demo target/oulad

##@ Before a commit

.PHONY: setup
setup: ## Install what the other targets need (apt, a private venv, cargo-nextest)
	@scripts/setup.sh

.PHONY: check
check: ## Format, lints and documentation, without a warning
	cargo fmt --all --check
	cargo fmt --manifest-path crates/certificate-pdf/Cargo.toml --check
	cargo clippy $(LOCKED) --all-targets --all-features -- -D warnings
	cargo clippy $(LOCKED) $(PDF) --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc $(LOCKED) --all-features --no-deps --document-private-items

# nextest comes last: its summary is what CI reads. A missing service fails a test, it never skips one.
.PHONY: test
test: setup ## Every test, beside a real PostgreSQL and a real S3 server
	cargo test $(LOCKED) --all-features --doc
	KIGEN_LMS_URL="postgres://db.example.jp/lms?sslmode=verify-full" cargo run $(LOCKED) --quiet --all-features --bin kigen -- check --config kigen.example.toml
	scripts/check-k8s.sh
	cargo nextest run $(LOCKED) $(PDF)
	KIGEN_REQUIRE_SERVICES=1 $(WITH_SERVICES) -- \
	  cargo nextest run $(LOCKED) --all-features $(if $(CI),--no-fail-fast)

.PHONY: ci
ci: setup check test ## What CI runs, in its order

.PHONY: deny
deny: ## Licences, advisories and sources of all dependencies (needs the network)
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny --all-features check
	cargo deny --manifest-path crates/certificate-pdf/Cargo.toml check

.PHONY: fuzz
fuzz: setup ## Random schemas, rows and jobs against one oracle [SEED=… ROUNDS=2000 ENGINE=sqlite|postgres]
	@echo "seed $(FUZZ_SEED_OF_NOW)" >&2
	@FUZZ_SEED=$(FUZZ_SEED_OF_NOW) FUZZ_ROUNDS=$(or $(ROUNDS),2000) KIGEN_REQUIRE_SERVICES=1 $(WITH_SERVICES) --postgres -- \
	  cargo nextest run $(LOCKED) --all-features --no-capture 'fuzz::in_random_schemas_of_$(ENGINE)'

##@ Measure

# All of the table in memory, and no checkpoint in the middle of a measurement.
BENCH_SERVER := -c shared_buffers=4GB -c max_wal_size=16GB -c checkpoint_timeout=1h -c autovacuum=off -c jit=off

.PHONY: bench
bench: setup ## Speed against a plain delete on PostgreSQL [BENCH_ROWS=2000000 RUNS=5]
	@cargo build --release $(LOCKED) --bin kigen --bin kigen-bench
	@KIGEN_POSTGRES_OPTIONS="$(BENCH_SERVER)" $(WITH_SERVICES) --postgres -- target/release/kigen-bench --rows $(BENCH_ROWS) --runs $(RUNS)

# Standard output is the program's alone: one JSON document per date, each on one line.
.PHONY: bench-reconcile
bench-reconcile: ## A reconciliation against 35 runs on SQLite [ROWS=1000000]
	@cargo build --release $(LOCKED) --bin kigen
	@scripts/bench/reconcile.sh target/release/kigen $(ROWS)

.PHONY: bench-evidence
bench-evidence: ## Seal, prove and verify the records of one large run on SQLite [LEAVES=1000000]
	@cargo build --release $(LOCKED) --bin kigen
	@scripts/bench/evidence.sh target/release/kigen $(LEAVES)

.PHONY: oulad
oulad: $(if $(filter postgres,$(STORE)),setup) ## Real learners' records [AS_OF="2015-04-01 …" STORE=sqlite|postgres DATA=…]
	@[[ -n "$(strip $(AS_OF))" ]] || { echo 'name the days: make oulad AS_OF="2014-10-01 2015-04-01"' >&2; exit 2; }
	@cargo build $(LOCKED) --bin kigen --bin kigen-oulad >&2
	@$(if $(filter postgres,$(STORE)),KIGEN_PGDATA=target/oulad/postgres $(WITH_SERVICES) --postgres --) \
	  target/debug/kigen-oulad run --data "$(DATA)" --store $(STORE) --dir target/oulad $(AS_OF:%=--as-of %)

.PHONY: oulad-psql
oulad-psql: setup ## Look at the database that `oulad` left (a copy; STORE=postgres)
	@KIGEN_PGDATA=target/oulad/postgres $(WITH_SERVICES) --reopen -- sh -c 'exec psql "$$KIGEN_TEST_POSTGRES_URL"'
