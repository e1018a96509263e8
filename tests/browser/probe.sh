#!/usr/bin/env bash
# `pawl probe` shows the example console all that it must refuse.
#
#   tests/browser/probe.sh CONSOLE PAWL
set -euo pipefail
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
said=$(mktemp)
"$1" --listen 127.0.0.1:0 --issuer "http://127.0.0.1:$port/t/ten_00000000000000000000000000000001" >"$said" &
console=$!
trap 'kill "$console"; rm -f "$said"' EXIT
until grep -q '^Open ' "$said"; do
  kill -0 "$console"
  sleep 0.1
done
url=$(sed -n 's/^Open //p' "$said")
"$2" probe --console "${url}api/detections" --stand-in --audience console --listen "127.0.0.1:$port"
