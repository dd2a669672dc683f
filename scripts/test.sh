#!/usr/bin/env bash
# Everything that must hold before a change lands. Ends at the first thing that does not.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s (%s)\n' "$*" "$(date +%T)" >&2; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "layers, licences, file lengths"
cargo xtask check

step "tests"
# The binaries first: tests start them as processes.
cargo build --workspace --bins --locked
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked --profile "$([ -n "${CI:-}" ] && echo ci || echo default)"
else
  cargo test --workspace --locked --all-targets
fi

step "examples in the documentation"
cargo test --workspace --locked --doc --quiet

step "the API against its own description"
scripts/schemathesis.sh

step "the clouds' signatures, by the vendors' own SDKs"
tests/oracles/vendor-sdk.sh

step "AWS's adapter against moto"
tests/oracles/moto.sh

step "fuzz targets"
FUZZ_SECONDS="${FUZZ_SECONDS:-10}" scripts/fuzz.sh

step "all is well"
