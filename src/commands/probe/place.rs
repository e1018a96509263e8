//! What the probe answers while it runs: the key set of the pretended Pawl, and a stranger's, which
//! nobody may ask for.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, get};
use actix_web::{App, HttpResponse, HttpServer, rt};
use serde_json::{Value, json};

/// A listener that is open until it is stopped.
pub(super) struct Place {
    /// How the console reaches it.
    pub(super) base: String,
    /// How often somebody followed an address out of a token.
    pub(super) followed: Arc<AtomicUsize>,
    handle: ServerHandle,
}

/// The issuer of the pretended Pawl.
pub(super) fn issuer(base: &str) -> String {
    format!("{base}/t/ten_{:032x}", 1)
}

struct Shown {
    own: Value,
    metadata: Value,
    stranger: Value,
    followed: Arc<AtomicUsize>,
}

async fn own(shown: Data<Shown>) -> HttpResponse {
    HttpResponse::Ok().json(&shown.own)
}

/// Consoles that find the key set by the issuer ask here, as they ask Pawl.
async fn metadata(shown: Data<Shown>) -> HttpResponse {
    HttpResponse::Ok().json(&shown.metadata)
}

async fn stranger(shown: Data<Shown>) -> HttpResponse {
    shown.followed.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().json(&shown.stranger)
}

impl Place {
    /// Opens it.
    pub(super) fn open(
        listen: SocketAddr,
        base: Option<&str>,
        own_set: Value,
        stranger_set: Value,
    ) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{listen}: {error}");
        let listener = TcpListener::bind(listen).map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let followed = Arc::new(AtomicUsize::new(0));
        let base = base.map_or_else(|| format!("http://{address}"), str::to_owned);
        let shown = Data::new(Shown {
            own: own_set,
            metadata: json!({
                "issuer": issuer(&base),
                "jwks_uri": format!("{base}/.well-known/jwks.json"),
                "access_token_signing_alg_values_supported": ["ES256"],
                "response_types_supported": [],
            }),
            stranger: stranger_set,
            followed: followed.clone(),
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shown.clone())
                .route("/.well-known/jwks.json", get().to(own))
                .route("/.well-known/oauth-authorization-server/t/{tenant}", get().to(metadata))
                .route("/t/{tenant}/.well-known/openid-configuration", get().to(metadata))
                .route("/stranger/{any}", get().to(stranger))
        });
        let server = server.workers(1).disable_signals().listen(listener).map_err(told)?.run();
        let handle = server.handle();
        rt::spawn(server);
        Ok(Self { base, followed, handle })
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.handle.stop(false).await;
    }
}
