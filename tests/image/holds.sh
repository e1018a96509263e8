# Sourced: how a check of the image is told, and how it fails.
# shellcheck shell=bash

begin() { # COMMAND...
  local begun=$SECONDS
  echo "-- $(basename "$1")"
  "$@"
  echo "-- $(basename "$1"): $((SECONDS - begun)) s"
}

holds() { # CLAIM COMMAND...
  local claim=$1
  shift
  if "$@" >/dev/null; then
    echo "  ok: $claim"
  else
    echo "  NOT SO: $claim" >&2
    exit 1
  fi
}
