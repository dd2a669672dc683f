#!/usr/bin/env bash
# Checks for what is needed and installs what is missing on Debian and Ubuntu.
#   setup.sh build   what building and running needs
#   setup.sh test    what the tests need besides: peers to compare with, tools that fuzz
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else return 1
  fi
}

# install PACKAGE... : from Debian's archive, those that are missing
install() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || { say "please install by hand: ${missing[*]}"; return 1; }
  say "installing ${missing[*]}"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    as_root apt-get update -q >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
  fi
}

build() {
  command -v cargo >/dev/null || {
    say "Rust is missing: install it with rustup (https://rustup.rs), version 1.95 or newer, then run this again"
    exit 1
  }
  command -v cc >/dev/null || install gcc libc6-dev
}

tests() {
  build
  install iproute2 procps curl util-linux libfaketime
  # Peers: other people's software that ours is compared with.
  install prometheus victoria-metrics
  install python3 python3-venv
  local venv="${XDG_CACHE_HOME:-$HOME/.cache}/lepton/venv"
  if [ ! -x "$venv/bin/schemathesis" ]; then
    say "installing schemathesis into $venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis>=4,<5' pyarrow
  fi
  # What judges the cloud adapters, apart because it pins what schemathesis needs otherwise.
  local oracles="${XDG_CACHE_HOME:-$HOME/.cache}/lepton/oracles"
  local pins=(moto[server]==5.2.5 alibabacloud-tea-openapi==0.4.6 tencentcloud-sdk-python-common==3.1.195
    huaweicloudsdkcore==3.1.219)
  if [ "$(cat "$oracles/pins" 2>/dev/null)" != "${pins[*]}" ]; then
    say "installing the clouds' oracles into $oracles"
    python3 -m venv "$oracles"
    "$oracles/bin/pip" install --quiet --disable-pip-version-check "${pins[@]}"
    echo "${pins[*]}" >"$oracles/pins"
  fi
  if ! command -v cargo-fuzz >/dev/null; then
    say "installing cargo-fuzz"
    install g++
    cargo install --quiet --locked cargo-fuzz
  fi
}

case "${1:-build}" in
  build) build ;;
  test) tests ;;
  *) say "usage: setup.sh build|test"; exit 2 ;;
esac
