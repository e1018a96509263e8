#!/usr/bin/env bash
# Runs the walk of README.md: every ```sh block, in order, in one shell, as it is written.
#
#   tests/readme.sh [BINARY]
#
# With BINARY the walk's `cargo run --release` starts that one instead of building it. The server gets
# ports of its own, so that the walk can run beside others.
set -euo pipefail
cd "$(dirname "$0")/.."

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
PAWL_LISTEN=127.0.0.1:$(port)
PAWL_HEALTH_LISTEN=127.0.0.1:$(port)
export PAWL_LISTEN PAWL_HEALTH_LISTEN PAWL_BASE_URL="http://$PAWL_LISTEN"

if [ $# -gt 0 ]; then
    binary=$(realpath "$1")
    cargo() { exec "$binary"; }
fi

blocks=$(awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' README.md)
[ -n "$blocks" ] || { echo "README.md has no sh block" >&2; exit 1; }

# A walk that ends early leaves no server behind.
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true' EXIT
eval "$blocks"
echo "the walk of README.md ends well"
