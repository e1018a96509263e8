#!/usr/bin/env bash
# Makes a client of Pawl with every generator of docs/clients.md, compiles it, and lets it play the whole story
# against a Pawl of its own: enroll, verify, refuse, override, list.
#
#   tests/clients/run.sh BINARY [GENERATOR…]
#
# A generator is a folder beside this file, with a story and a run.sh, which prints `generator NAME VERSION`,
# `compiled`, and `step NAME` for each step. It has the first start's secrets in PAWL_…, and
#   HERE        its folder
#   FOLDER      where it may write: a new one, or the one of the last run under CLIENTS_FOLDER
#   DOCUMENT    the OpenAPI document
#   openapi_generator NAME [OPTION…]    makes FOLDER/client
set -euo pipefail
cd "$(dirname "$0")/../.."
pawl=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- python typescript openapi-python-client go java rust
steps="enroll verify refuse override list"

temporary=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; rm -rf "$temporary"' EXIT
folder=${CLIENTS_FOLDER:-$temporary/clients}
mkdir -p "$folder"
export DOCUMENT=$temporary/openapi.json
"$pawl" openapi >"$DOCUMENT"

openapi_generator() { # NAME [OPTION…]
  local name=$1 version=7.26.0 tools=$FOLDER/../tools
  shift
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q --disable-pip-version-check "openapi-generator-cli==$version"
  rm -rf "$FOLDER/client"
  "$tools/bin/openapi-generator-cli" generate -g "$name" -i "$DOCUMENT" -o "$FOLDER/client" \
    --global-property=apiTests=false,modelTests=false,apiDocs=false,modelDocs=false "$@" >"$FOLDER/generator.log"
  echo "generator openapi-generator $name $version"
}
export -f openapi_generator

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A first start, and what it printed.
start() { # FOLDER
  export PAWL_DATA_DIR=$1/data PAWL_LISTEN=127.0.0.1:$(port) PAWL_HEALTH_LISTEN=127.0.0.1:$(port)
  export PAWL_BASE_URL=http://$PAWL_LISTEN
  mkdir "$1"
  # Pawl refuses a variable that it does not know, and these are the last story's.
  unset CONSOLE_ISSUER CONSOLE_KEY ADMIN_SECRET
  "$pawl" serve >"$1/stdout" 2>"$1/log" &
  server=$!
  until curl -fs "http://$PAWL_HEALTH_LISTEN/readyz" >/dev/null; do
    kill -0 "$server" || { cat "$1/log"; exit 1; }
    sleep 0.2
  done
  local first=("$1"/data/first-start-*.txt)
  CONSOLE_ISSUER=$(sed -n 's/^issuer: *//p' "${first[0]}")
  CONSOLE_KEY=$(sed -n 's/^client key: *//p' "${first[0]}")
  ADMIN_SECRET=$(sed -n 's/^authenticator:.*[?&]secret=\([A-Z2-7]*\).*/\1/p' "${first[0]}")
  export CONSOLE_ISSUER CONSOLE_KEY ADMIN_SECRET
}

for generator in "$@"; do
  export HERE=$PWD/tests/clients/$generator FOLDER=$folder/$generator
  mkdir -p "$FOLDER"
  start "$temporary/$generator"
  told=$temporary/$generator/told
  broken=
  bash -euo pipefail "$HERE/run.sh" >"$told" || broken=yes
  kill "$server"
  wait "$server" || true
  played=$(sed -n 's/^step //p' "$told" | xargs)
  if [ -n "$broken" ] || ! grep -qx compiled "$told" || [ "$played" != "$steps" ]; then
    cat "$told"
    echo "$generator does not tell the whole story"
    exit 1
  fi
  echo "$(sed -n 's/^generator //p' "$told"): compiled, played $played"
done
