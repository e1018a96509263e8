#!/usr/bin/env bash
# The example console starts with a Pawl of its own, tells its story to that Pawl, and shows its first page.
#
#   tests/browser/start.sh CONSOLE
set -euo pipefail
said=$(mktemp)
"$1" --listen 127.0.0.1:0 >"$said" &
console=$!
trap 'kill "$console" 2>/dev/null || true; rm -f "$said"' EXIT
until grep -q '^Open ' "$said"; do
  kill -0 "$console" || { echo "the example console did not start"; exit 1; }
  sleep 0.2
done
url=$(sed -n 's/^Open //p' "$said")
curl -fsSL "$url" | grep -q '<form'
echo "the example console starts and shows its first page"
