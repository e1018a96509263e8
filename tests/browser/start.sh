#!/usr/bin/env bash
# The example console starts with a Pawl of its own, tells its story to that Pawl, and shows its first page.
#
#   tests/browser/start.sh CONSOLE
set -euo pipefail
said=$(mktemp)
"$1" --listen 127.0.0.1:0 >"$said" &
console=$!
trap 'kill "$console" 2>/dev/null || true; rm -f "$said"' EXIT
for _ in $(seq 600); do
  kill -0 "$console" || { echo "the example console did not start"; exit 1; }
  ! grep -q '^Open ' "$said" || break
  sleep 0.2
done
page=$(curl -fsSL "$(sed -n 's/^Open //p' "$said")")
[[ $page == *'<form'* ]]
echo "the example console starts and shows its first page"
