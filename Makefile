# The commands of this project. Each sets up what it needs: see tests/cluster/setup and tests/peers/setup.

.DEFAULT_GOAL := help
.PHONY: help bench demo test test-fast cluster-up cluster-down images

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "make %-13s %s\n", $$1, $$2}'

demo: ## From nothing to shipped logs: a local cluster, the operator, nginx pods; leaves the cluster up
	@tests/cluster/demo

test: test-fast ## Everything: test-fast, then the tests against real servers and on a real cluster
	@tests/cluster/test

test-fast: ## Formatting, lints, unit, golden and property tests; no cluster
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace --exclude logship-tests
	cargo test --locked --package logship-tests --lib --bins --test invariants

bench: ## The sidecar beside its peers: CPU, memory, ratios, to target/bench; ARGS='--lines 100000 --repeat 1'
	@tests/bench/run $(ARGS)

cluster-up: ## Start the local cluster alone; enter it with tests/cluster/enter CMD…
	@tests/cluster/up

cluster-down: ## Stop the local cluster and remove all that is left of it
	@tests/cluster/down

images: ## Build the images for a cluster of your own: REGISTRY=… [TAG=…] [PUSH=1]
	@tests/cluster/release-images '$(REGISTRY)' '$(TAG)' '$(PUSH)'
