#!/usr/bin/env bash
# `pawl probe` shows the example console all that it must refuse.
#
#   tests/browser/probe.sh CONSOLE PAWL
set -euo pipefail
. "$(dirname "$0")/console.sh"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start "$1" --issuer "http://127.0.0.1:$port/t/ten_00000000000000000000000000000001"
"$2" probe --console "${url}api/detections" --stand-in --audience console --listen "127.0.0.1:$port"
