#!/usr/bin/env bash
# The alerts, each fired once and not fired once, and a scrape of a server that has told the story of the
# demo: as Prometheus' own tool sees them.
#
#   tests/monitoring/check.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."
pawl=$(realpath "$1")
folder=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

# What the operator hands to Prometheus is the resource's `spec`.
awk '/^spec:/ { on = 1; next } on' k8s/monitoring/rules.yaml | sed 's/^  //' >"$folder/rules.yml"
cp tests/monitoring/alerts*.yml "$folder"
promtool check rules "$folder/rules.yml"
promtool test rules "$folder"/alerts*.yml

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
export PAWL_DATA_DIR=$folder/data PAWL_LISTEN=127.0.0.1:$(port) PAWL_HEALTH_LISTEN=127.0.0.1:$(port)
export PAWL_BASE_URL=http://$PAWL_LISTEN
"$pawl" serve >"$folder/out" 2>"$folder/log" &
server=$!
until curl -fs "http://$PAWL_HEALTH_LISTEN/readyz" >/dev/null; do
  kill -0 "$server" || { cat "$folder/log"; exit 1; }
  sleep 0.1
done
"$pawl" demo --server "http://$PAWL_LISTEN" --first-start "$PAWL_DATA_DIR"/first-start-*.txt >"$folder/demo"

curl -fsS "http://$PAWL_HEALTH_LISTEN/metrics" >"$folder/metrics"
promtool check metrics <"$folder/metrics"
# A number that must have moved, and one that was read beside the scrape.
grep -Eq '^pawl_code_attempts_total\{code="totp",outcome="verified"\} [1-9]' "$folder/metrics"
grep -Eq '^pawl_reading_timestamp_seconds [1-9]' "$folder/metrics"
echo "$(grep -vc '^#' "$folder/metrics") series, and promtool finds nothing wrong with them"
