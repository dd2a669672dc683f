#!/usr/bin/env bash
# Has the vendors' own SDKs judge the signature of every request that our adapters send in their tests.
# Needs what `scripts/setup.sh test` installs.
set -euo pipefail
cd "$(dirname "$0")/../.."

python="${XDG_CACHE_HOME:-$HOME/.cache}/lepton/oracles/bin/python"
[ -x "$python" ] || { echo "vendor-sdk: run scripts/setup.sh test first" >&2; exit 1; }

requests="$(mktemp -d)"
trap 'rm -rf "$requests"' EXIT
for cloud in aliyun tencent huawei; do
  LEPTON_WIRETAP="$requests" cargo test --quiet --locked -p "lepton-cloud-$cloud" --test it >/dev/null
done
# The test key of crates/lepton-cloud/src/conformance/wiretap.rs.
"$python" tests/oracles/vendor_sign.py LeptonTestSecretKey0000000000000000000001 "$requests"/*.http
