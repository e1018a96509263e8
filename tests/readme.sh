#!/usr/bin/env bash
# Runs the walks of README.md and docs/integrating.md: every ```sh block, in order, in one shell, as it is
# written, in bash and in zsh. A ```json block is what the last answer must hold: each member of it, of the same type and value; "…"
# stands for text that is another one each time.
#
#   tests/readme.sh [BINARY]
#
# With BINARY the walks' `cargo run --release` starts that one instead of building it. Each server gets ports of
# its own, so that the walks can run beside each other.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
[ $# -eq 0 ] || binary=$(realpath "$1")

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# blocks FILE [HEADING]: what the file has to run, up to that heading.
blocks() {
    awk -v end="${2:-}" '
        end != "" && index($0, end) == 1 { exit }
        /^```sh$/ { on = 1; next }
        /^```json$/ { on = 1; shown = 1; print "shown <<'\''SHOWN'\''"; next }
        /^```$/ { if (shown) print "SHOWN"; on = 0; shown = 0 }
        on' "$1"
}

# shown: the last answer holds what the document shows of it, which is on standard input.
shown() {
    jq -e --argjson answer "$answer" '
        def fits($seen): . as $told
            | if type != ($seen | type) then false
              elif type == "object" then all(keys[]; . as $key | $told[$key] | fits($seen[$key]))
              elif type == "array" then all(range(length); . as $i | $told[$i] | fits($seen[$i]))
              elif type == "string" and contains("…") then
                  (split("…") | .[0] as $first | .[-1] as $last | $seen | startswith($first) and endswith($last))
              else . == $seen end;
        fits($answer)' >/dev/null || { echo "the document shows another answer than:"; jq . <<<"$answer"; return 1; }
}

# walk SHELL NAME: runs the blocks on standard input; one that ends early leaves no server behind.
walk() {
    local script
    script=$scripts/$1-$(basename "$2")
    PAWL_LISTEN=127.0.0.1:$(port)
    PAWL_HEALTH_LISTEN=127.0.0.1:$(port)
    export PAWL_LISTEN PAWL_HEALTH_LISTEN PAWL_BASE_URL="http://$PAWL_LISTEN"
    {
        [ -z "${binary:-}" ] || printf 'cargo() { exec %q; }\n' "$binary"
        declare -f shown
        echo "trap '[ -z \"\${server:-}\" ] || kill \"\$server\" 2>/dev/null || true' EXIT"
        cat
    } >"$script"
    "$1" -euo pipefail "$script"
    echo "the walk of $2 in $1 ends well"
}

readme=$(blocks README.md)
begin=$(blocks README.md "### Evaluate a user into being")
integrating=$(blocks docs/integrating.md)
[ -n "$readme" ] && [ -n "$begin" ] && [ -n "$integrating" ] || { echo "a document has no sh block" >&2; exit 1; }
[ "$begin" != "$readme" ] || { echo "README.md has lost the heading that docs/integrating.md begins at" >&2; exit 1; }

for shell in bash zsh; do
    (walk "$shell" README.md <<<"$readme") &
    (walk "$shell" docs/integrating.md <<<"$begin"$'\n'"$integrating") &
done
outcome=0
for _ in 1 2 3 4; do
    wait -n || outcome=1
done
exit "$outcome"
