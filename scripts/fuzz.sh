#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS each. Works on stable Rust: coverage without a sanitizer, which safe code
# does not need; overflow checks and debug assertions are on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${FUZZ_SECONDS:-10}"
target_dir="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
for target in $(cargo fuzz list); do
  printf 'fuzz %s for %s s\n' "$target" "$seconds" >&2
  mkdir -p "fuzz/corpus/$target"
  cargo fuzz run --sanitizer none --debug-assertions --target-dir "$target_dir" "$target" \
    "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 -verbosity=0
done
