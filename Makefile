# The two commands of the README are `make run` and `make test`; the rest is for those who work here.
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash

.PHONY: help run test quick bench fmt openapi fuzz

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: ## Build Lepton and start it on this machine (Ctrl-C ends it)
	@scripts/setup.sh build
	@scripts/run.sh

test: ## Everything CI runs: format, lints, layers, tests, schema fuzzing, fuzz targets
	@scripts/setup.sh test
	@scripts/test.sh

quick: ## The part of `make test` that takes a minute when warm
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo xtask check

bench: ## Every benchmark of docs/benchmarks.md that this machine has the data for
	@scripts/bench.sh

fuzz: ## Each fuzz target for FUZZ_SECONDS (60)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} scripts/fuzz.sh

openapi: ## Write openapi/lepton.json from the server's routes
	cargo xtask openapi

fmt: ## Format everything
	cargo fmt --all
