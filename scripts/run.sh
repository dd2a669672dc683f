#!/usr/bin/env bash
# Builds and starts `lepton dev`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --profile quick --locked --package lepton --package lepton-shop
bin="${CARGO_TARGET_DIR:-target}/quick"
# One place for all who try it from this checkout, whatever the target folder.
mkdir -p .lepton/bin
ln -sf "$(realpath "$bin")/lepton" "$(realpath "$bin")/lepton-shop" .lepton/bin/
export PATH="$PWD/.lepton/bin:$PATH"
exec lepton dev "$@"
