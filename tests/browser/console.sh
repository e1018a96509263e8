# shellcheck shell=bash
# To be sourced: `start CONSOLE ARGUMENT…` starts the example console, waits for its page for two minutes, and sets
# `url`. The console ends with the script.

start() {
  local said
  said=$(mktemp)
  "$@" --listen 127.0.0.1:0 >"$said" &
  console=$!
  trap 'kill "$console" 2>/dev/null || true' EXIT
  for _ in $(seq 600); do
    kill -0 "$console" || { echo "the example console did not start"; exit 1; }
    ! grep -q '^Open ' "$said" || break
    sleep 0.2
  done
  url=$(sed -n 's/^Open //p' "$said")
  rm "$said"
  [ -n "$url" ] || { echo "the example console shows no page after two minutes"; exit 1; }
}
