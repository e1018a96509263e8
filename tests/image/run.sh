#!/usr/bin/env bash
# The image: builds the Dockerfile as it is on stand-ins for its base images, looks at what is in it, lists that
# as an SBOM, and runs it as a restricted pod would.
#
#   tests/image/run.sh
#
# Wants root, and what `.ci/run image` installs. Images are kept apart from the machine's own, in target/image.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/image
mkdir -p "$work"
largest=40 # megabytes
name=localhost/pawl:test
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
revision=$(git rev-parse HEAD)

printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' \
  "$work/storage" "$work/run" >"$work/storage.conf"
export CONTAINERS_STORAGE_CONF=$work/storage.conf

. tests/image/holds.sh

build() { # CONTEXT OPTION...
  local context=$1
  shift
  buildah bud --quiet --pull-never --isolation chroot --format docker --layers "$@" "$context"
}

lint() {
  shellcheck -x tests/image/*.sh
  hadolint Dockerfile
}

build_image() {
  local source=https://git.example/pawl
  # With the last stage of an earlier run, in whose cache buildah 1.28 would find that revision's label.
  ! buildah inspect --type image "$name" >/dev/null 2>&1 || buildah rmi "$name" >/dev/null
  build . -t "$name" --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg SOURCE="$source"
}

# Changed sources and nothing else: the stage with the dependencies is the same image.
dependencies_are_a_layer_of_their_own() {
  local changed before after
  changed=$(mktemp -d)
  git ls-files -z Dockerfile .dockerignore Cargo.toml Cargo.lock src migrations | xargs -0 cp --parents -t "$changed"
  echo '// another line' >>"$changed/src/lib.rs"
  before=$(build . --target dependencies)
  after=$(build "$changed" --target dependencies)
  rm -rf "$changed"
  holds "the layer of the dependencies is used again when src changes" [ "$before" = "$after" ]
}

configuration_is() { # FILTER
  buildah inspect --type image "$name" | jq -e ".Docker.config | $1" >/dev/null
}

look() {
  rm -rf "$work/oci" "$work/layers" "$work/bundle"
  skopeo copy --quiet "containers-storage:$name" "oci:$work/oci:pawl"
  umoci unpack --image "$work/oci:pawl" "$work/bundle"

  local bytes=0 layer folder number=0 manifest
  manifest=$work/oci/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$work/oci/index.json")
  for layer in $(jq -r '.layers[].digest | ltrimstr("sha256:")' "$manifest"); do
    folder=$work/layers/$((number += 1))
    mkdir -p "$folder"
    tar -xf "$work/oci/blobs/sha256/$layer" -C "$folder"
    local unpacked
    unpacked=$(gzip -dc "$work/oci/blobs/sha256/$layer" | wc -c)
    echo "  layer $number: $((unpacked / 1000)) kB, $(($(stat -c %s "$work/oci/blobs/sha256/$layer") / 1000)) kB packed"
    bytes=$((bytes + unpacked))
  done
  echo "  image: $((bytes / 1000)) kB unpacked; user $(jq -r .process.user.uid "$work/bundle/config.json")"
  holds "it is under $largest MB unpacked" [ "$bytes" -lt $((largest * 1000000)) ]
  holds "its user is a number, and not root" configuration_is '.User == "65532:65532"'
  holds "it says how it is checked and stopped" configuration_is \
    '.Healthcheck.Test == ["CMD", "/usr/local/bin/pawl", "healthcheck"] and .StopSignal == "SIGTERM"'
  holds "it is labelled" configuration_is "[.Labels[\"org.opencontainers.image.\"
      + (\"title\", \"description\", \"version\", \"revision\", \"source\", \"licenses\")]]
    | all(. != null and . != \"\") and .[2:4] == [\"$version\", \"$revision\"]"
  holds "the Dockerfile's version is the program's" grep -qx "ARG VERSION=$version" Dockerfile
  holds "it holds the program of this version" \
    [ "$("$work/bundle/rootfs/usr/local/bin/pawl" --version)" = "pawl $version" ]
}

# What no layer may hold, not even below a later one that deletes it. Prints what it finds.
forbidden_in() { # FOLDER
  find "$1" \( -name sh -o -name '*sh' -path '*bin/*' -o -name 'busybox*' \) -printf 'shell %P\n'
  find "$1" -type f \( -name kek -o -name '*.key' -o -name 'first-start-*' -o -name '.env' \) -printf 'secret %P\n'
  find "$1" -type f \( -name '*.db' -o -name '*.db-*' -o -name '*.sqlite*' \) -printf 'database %P\n'
  grep -rlE '^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----' "$1" | sed 's/^/private key in /' || true
  find "$1" -type f -size +15c -print0 | while IFS= read -r -d '' file; do
    [ "$(head -c 15 "$file" | tr -d '\0')" != "SQLite format 3" ] || echo "SQLite in $file"
  done
}

nothing_forbidden() {
  local planted=$work/planted
  rm -rf "$planted"
  mkdir -p "$planted/1/usr/bin"
  touch "$planted/1/usr/bin/bash" "$planted/1/kek" "$planted/1/pawl.db"
  printf -- '-----BEGIN PRIVATE KEY-----\nMC4\n' >"$planted/1/innocent"
  printf 'SQLite format 3\0and so on' >"$planted/1/harmless"
  holds "a planted shell, key and database are found" [ "$(forbidden_in "$planted" | wc -l)" = 5 ]
  rm -rf "$planted"

  forbidden_in "$work/layers" >"$work/forbidden"
  cat "$work/forbidden"
  holds "no layer holds a shell, a key or a database" [ ! -s "$work/forbidden" ]
  local programs
  programs=$(find "$work/layers" -type f -perm /111 ! -path '*/usr/share/doc/*' -printf '%P\n')
  echo "  programs: $programs"
  holds "the one program is pawl" [ "${programs#*/}" = usr/local/bin/pawl ]
}

# What the binary itself says that it is made of, against the lock file.
sbom() {
  local sbom=$work/pawl.cdx.json
  syft scan "oci-dir:$work/oci" --quiet -o "cyclonedx-json=$sbom"
  holds "the SBOM is CycloneDX" jq -e '.bomFormat == "CycloneDX"' "$sbom"
  jq -r '.components[].purl // empty' "$sbom" | sed -n 's/%2B/+/g; s/^pkg:cargo\/\([^?]*\).*/\1/p' | sort -u >"$work/listed"
  cargo tree --locked --edges normal,no-proc-macro --prefix none --format '{p}' |
    sed 's/^\([^ ]*\) v\([^ ]*\).*/\1@\2/' | sort -u >"$work/linked"
  echo "  $(wc -l <"$work/listed") packages listed, $(wc -l <"$work/linked") linked: $sbom"
  comm -13 "$work/listed" "$work/linked" | sed 's/^/  not listed: /'
  holds "it lists all that is linked" [ -z "$(comm -13 "$work/listed" "$work/linked")" ]
  holds "actix-web is one of them" grep -q "^actix-web@" "$work/listed"
}

begin lint
begin tests/image/bases.sh
begin build_image
begin dependencies_are_a_layer_of_their_own
begin look
begin nothing_forbidden
begin sbom
begin tests/image/pod.sh "$work"
echo "the image is as it should be"
