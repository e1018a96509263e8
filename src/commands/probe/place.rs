//! What the probe answers while it runs: the key set of the pretended Pawl, and a stranger's, which
//! nobody may ask for.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, get};
use actix_web::{App, HttpResponse, HttpServer, rt};
use serde_json::Value;

/// A listener that is open until it is stopped.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// How often somebody followed an address out of a token.
    pub(super) followed: Arc<AtomicUsize>,
    handle: ServerHandle,
}

struct Shown {
    own: Value,
    stranger: Value,
    followed: Arc<AtomicUsize>,
}

async fn own(shown: Data<Shown>) -> HttpResponse {
    HttpResponse::Ok().json(&shown.own)
}

async fn stranger(shown: Data<Shown>) -> HttpResponse {
    shown.followed.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().json(&shown.stranger)
}

impl Place {
    /// Opens it.
    pub(super) fn open(
        listen: SocketAddr,
        own_set: Value,
        stranger_set: Value,
    ) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{listen}: {error}");
        let listener = TcpListener::bind(listen).map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let followed = Arc::new(AtomicUsize::new(0));
        let shown = Shown { own: own_set, stranger: stranger_set, followed: followed.clone() };
        let shown = Data::new(shown);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shown.clone())
                .route("/.well-known/jwks.json", get().to(own))
                .route("/stranger/{any}", get().to(stranger))
        });
        let server = server.workers(1).disable_signals().listen(listener).map_err(told)?.run();
        let handle = server.handle();
        rt::spawn(server);
        Ok(Self { address, followed, handle })
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.handle.stop(false).await;
    }
}
