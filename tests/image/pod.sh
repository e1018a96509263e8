#!/usr/bin/env bash
# Runs the unpacked image as a pod of the standard "restricted" would: uid 65532, a read-only root, no
# capability, no new privilege, a network of its own, and one volume. The demo is played in it by the image's own
# program; then it is stopped, and started again on the same volume.
#
#   tests/image/pod.sh FOLDER
#
# FOLDER holds the OCI bundle `bundle`, which tests/image/run.sh makes. Wants root and runc.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/image/holds.sh
work=$(realpath "$1")
pawl=/usr/local/bin/pawl
pod=pawl-$$
volume=$work/volume
resolver=

# What still runs goes with this script, however it ends.
end() {
  [ -z "$resolver" ] || kill "$resolver" 2>/dev/null || true
  runc delete --force "$pod" 2>/dev/null || true
}
trap end EXIT

# The image's own configuration stays, but for what a pod's securityContext and mounts say.
configure() { # VARIABLE=VALUE...
  [ -e "$work/image.json" ] || cp "$work/bundle/config.json" "$work/image.json"
  jq --arg volume "$volume" --arg resolv "$work/resolv.conf" '
    .root.readonly = true
    | .process.terminal = false
    | .process.noNewPrivileges = true
    | .process.capabilities = {bounding: [], effective: [], inheritable: [], permitted: [], ambient: []}
    | .process.rlimits = []
    | .process.env += $ARGS.positional
    | .linux.namespaces = ([.linux.namespaces[] | select(.type != "network")] + [{type: "network"}])
    | .mounts = [.mounts[] | select(.destination as $d
        | ["/var/lib/pawl", "/etc/resolv.conf"] | index($d) | not)] + [
      {destination: "/var/lib/pawl", type: "bind", source: $volume, options: ["bind", "rw", "nosuid", "nodev", "noexec"]},
      {destination: "/etc/resolv.conf", type: "bind", source: $resolv, options: ["bind", "ro"]}]
  ' --args "$@" <"$work/image.json" >"$work/bundle/config.json"
}

start() {
  runc run --bundle "$work/bundle" "$pod" >"$work/stdout" 2>"$work/log" &
  running=$!
  for _ in $(seq 100); do
    ! runc exec "$pod" "$pawl" healthcheck --ready >/dev/null 2>&1 || return 0
    kill -0 "$running" 2>/dev/null || break
    sleep 0.2
  done
  cat "$work/stdout" "$work/log" >&2
  echo "it is not ready" >&2
  return 1
}

# Asks the container to stop, and puts its exit code into `code`.
stop() {
  code=0
  runc kill "$pod" TERM
  wait "$running" || code=$?
}

inside() { nsenter --net="/proc/$(runc state "$pod" | jq .pid)/ns/net" "$@"; }

# User, group, the five sets of capabilities, no new privileges; and how the root is mounted.
confinement() {
  local process none=0000000000000000
  process=/proc/$(runc state "$pod" | jq .pid)
  awk -v ORS=' ' '/^(Uid|Gid|Cap...|NoNewPrivs):/ { print $2 }' "$process/status" | sed "s/$none/none/g"
  awk '$5 == "/" { print substr($6, 1, 2) }' "$process/mountinfo"
}

decision() { # USER
  jq -n --arg user "$1" '{external_id: $user, display_name: $user, audiences: ["console"],
    primary_login: {method: "password", at: (now | todate)}}' |
    inside curl -sS http://127.0.0.1:8080/v1/evaluations -H "Authorization: Bearer $key" \
      -H 'Content-Type: application/json' --data @- | jq -r .decision
}

rm -rf "$volume"
install -d -m 0700 -o 65532 -g 65532 "$volume"
echo 'nameserver 127.0.0.1' >"$work/resolv.conf"

configure
code=0
runc run --bundle "$work/bundle" "$pod" >"$work/stdout" 2>"$work/log" || code=$?
holds "without a base URL it does not start, and says so" \
  [ "$code: $(grep -c PAWL_BASE_URL "$work/log")" = "1: 1" ]

configure PAWL_BASE_URL=http://localhost:8080
start
holds "it runs as a restricted pod" [ "$(confinement)" = "65532 65532 none none none none none 1 ro" ]
holds "it is healthy" runc exec "$pod" "$pawl" healthcheck
file=$(cd "$volume" && echo first-start-*.txt)
key=$(sed -n 's/^client key: *//p' "$volume/$file")

# Its own program plays, and asks DNS for the name: a static program has to bring its own resolver.
network=/proc/$(runc state "$pod" | jq .pid)/ns/net
exec 3< <(exec nsenter --net="$network" python3 tests/image/resolver.py)
resolver=$!
read -r _ <&3 # It says that it listens.
runc exec "$pod" "$pawl" demo --server http://localhost:8080 --first-start "/var/lib/pawl/$file" >"$work/demo" 2>&1 ||
  { tail -20 "$work/demo"; exit 1; }
holds "the story ends well" grep -q 'Every step answered as it should' "$work/demo"
holds "the hand-over is gone" [ ! -e "$volume/$file" ]
holds "nobody but ana and admin is known" [ "$(decision ana) $(decision admin) $(decision bob)" = "challenge challenge enroll" ]
stop
holds "it ends with 0 on SIGTERM" [ "$code" = 0 ]
holds "it drained" grep -q '"draining"' "$work/log"
kill "$resolver"
resolver=

start
holds "started again it still knows everybody" \
  [ "$(decision ana) $(decision admin) $(decision cid)" = "challenge challenge enroll" ]
holds "it founds nothing anew" [ ! -s "$work/stdout" ]
stop
holds "and ends with 0 again" [ "$code" = 0 ]
