#!/usr/bin/env bash
# Stand-ins for the images that the Dockerfile begins with, under their names, made of Debian's packages and of
# this machine's Rust: so the Dockerfile is built as it is, without an image registry. They are like the real
# ones in what the build uses (paths, variables, user); that the real ones behave so, this cannot show.
#
#   tests/image/bases.sh
#
# Wants root, buildah and debootstrap. What was made is used again until Rust or this file changes.
set -euo pipefail
cd "$(dirname "$0")/../.."

rust=$(grep -o 'docker.io/library/rust:[^ ]*' Dockerfile)
static=$(grep -o 'gcr.io/distroless/static-[^ ]*' Dockerfile)
made_of="$(rustc --version), $(sha256sum <tests/image/bases.sh)"

is_made() { # NAME
  local label='{{index .OCIv1.Config.Labels "stand-in"}}'
  [ "$(buildah inspect --type image --format "$label" "$1" 2>/dev/null)" = "$made_of" ]
}

commit() { # CONTAINER NAME OPTION...
  local container=$1 name=$2
  shift 2
  buildah umount "$container" >/dev/null
  buildah config --label "stand-in=$made_of" "$@" "$container"
  buildah commit --quiet "$container" "$name" >/dev/null
  buildah rm "$container" >/dev/null
}

# Debian, a C compiler, cargo and rustc where rustup puts them in the real one.
make_rust() {
  local container root toolchain
  container=$(buildah from scratch)
  root=$(buildah mount "$container")
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$root" >/dev/null
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  toolchain=$root/usr/local/rustup/toolchains/here
  mkdir -p "$toolchain/bin" "$root/usr/local/cargo/bin"
  cp -a "$(rustc --print sysroot)/lib" "$toolchain/"
  for program in cargo rustc; do
    cp -a "$(rustc --print sysroot)/bin/$program" "$toolchain/bin/"
    ln -s "/usr/local/rustup/toolchains/here/bin/$program" "$root/usr/local/cargo/bin/$program"
  done
  # What this machine trusts, and how its cargo reaches the registry.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  for name in config config.toml; do
    [ ! -e "${CARGO_HOME:-$HOME/.cargo}/$name" ] || cp "${CARGO_HOME:-$HOME/.cargo}/$name" "$root/usr/local/cargo/"
  done
  commit "$container" "$rust" --cmd bash \
    --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

# A few unpacked packages and the user `nonroot`. No libc, no shell.
make_static() {
  local container root packages
  container=$(buildah from scratch)
  root=$(buildah mount "$container")
  packages=$(mktemp -d)
  (cd "$packages" && apt-get download -qq -o APT::Sandbox::User=root base-files ca-certificates media-types netbase tzdata)
  mkdir -p "$root/var/lib/dpkg/status.d" "$root/etc/ssl/certs" "$root/home/nonroot"
  for package in "$packages"/*.deb; do
    dpkg-deb -x "$package" "$root"
    dpkg-deb -f "$package" >"$root/var/lib/dpkg/status.d/$(dpkg-deb -f "$package" Package)"
  done
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root"/usr/{sbin,share/{ca-certificates,man}} "$root/etc/update-motd.d" "$packages"
  printf '%s\n' root:x:0:0:root:/root:/sbin/nologin nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin \
    nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin >"$root/etc/passwd"
  printf '%s\n' root:x:0: nobody:x:65534: nonroot:x:65532: >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  chown 65532:65532 "$root/home/nonroot"
  chmod 0700 "$root/home/nonroot"
  commit "$container" "$static" --user 65532 --workingdir /home/nonroot \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
}

is_made "$rust" || make_rust
is_made "$static" || make_static
echo "stand-ins: $rust with $(rustc --version), $static"
