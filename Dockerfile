# Rust builds one static program; the image holds that, the authorities of TLS, and no shell.

FROM docker.io/library/rust:1.95-bookworm AS dependencies
RUN cargo install --locked --version 0.7.7 cargo-auditable
WORKDIR /build
# Static: the runtime image needs no libc. That takes an explicit target, and this one is the machine's own.
ENV CARGO_BUILD_TARGET=host-tuple \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="-C target-feature=+crt-static"
COPY Cargo.toml Cargo.lock ./
# The dependencies alone, below stubs: what changes only the sources uses this layer again.
RUN mkdir src benches \
 && echo '#![allow(missing_docs)] pub fn main() {}' > src/main.rs \
 && cp src/main.rs src/lib.rs \
 && touch benches/login.rs \
 && cargo auditable build --locked --release --bin pawl

FROM dependencies AS build
COPY migrations migrations
COPY src src
# A checkout may be older than the stubs' build; cargo compares times.
RUN touch src/main.rs src/lib.rs \
 && cargo auditable build --locked --release --bin pawl \
 && install -D -t /image/usr/local/bin target/*/release/pawl \
 && install -d -m 0700 /image/var/lib/pawl

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /image/usr/local/bin/pawl /usr/local/bin/pawl
COPY --from=build --chown=65532:65532 /image/var/lib/pawl /var/lib/pawl
USER 65532:65532
# SQLite would put a temporary file here: with a read-only root there is no other place.
WORKDIR /var/lib/pawl
VOLUME ["/var/lib/pawl"]
# Without a base URL Pawl does not start: it is part of every issuer, and only the operator knows it.
ENV PAWL_BASE_URL="" \
    PAWL_DATA_DIR=/var/lib/pawl \
    PAWL_HEALTH_LISTEN=0.0.0.0:8081 \
    PAWL_LISTEN=0.0.0.0:8080
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/pawl", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/pawl"]
CMD ["serve"]

ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Pawl" \
      org.opencontainers.image.description="Owns multi-factor authentication for management consoles." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="Apache-2.0"
