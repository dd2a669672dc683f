#!/usr/bin/env bash
# Runs the AWS adapter's conformance suite against moto with its checks of signatures and permissions switched on.
# Needs what `scripts/setup.sh test` installs.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv="${XDG_CACHE_HOME:-$HOME/.cache}/lepton/oracles"
[ -x "$venv/bin/moto_server" ] || { echo "moto: run scripts/setup.sh test first" >&2; exit 1; }

log="$(mktemp)"
port="$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
# The first calls make the users that the tests act as; everything after them is checked.
INITIAL_NO_AUTH_ACTION_COUNT=1000000 "$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$log" 2>&1 &
moto=$!
trap 'kill "$moto" 2>/dev/null; wait "$moto" 2>/dev/null || true; rm -f "$log"' EXIT
export LEPTON_MOTO="http://127.0.0.1:$port"
for _ in $(seq 150); do
  curl -sf -o /dev/null "$LEPTON_MOTO/moto-api/data.json" && break
  kill -0 "$moto" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.2
done

eval "$("$venv/bin/python" tests/oracles/moto_setup.py "$LEPTON_MOTO")"
cargo test --quiet --locked -p lepton-cloud-aws --test it -- --ignored --test-threads 1
