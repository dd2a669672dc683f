#!/usr/bin/env bash
# Runs every benchmark, one command each; the figures of docs/benchmarks.md come from these.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --package lepton-bench --package lepton-agent
bench="${CARGO_TARGET_DIR:-target}/release/lepton-bench"
run() { printf '\n== lepton-bench %s\n' "$*" >&2; "$bench" "$@" || true; }
run reassignment --set A --seconds 300 --seed 1
run reassignment --set B --seconds 300 --seed 1
run gpu-sharing --seeds 42..51
run fleet-price --bound
run decisions --nodes 100000 --seconds 10
run agent-weight --seconds 120 --interval 1s
run ingest --samples 10000000
run survival --kills 100
