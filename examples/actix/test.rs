//! The published tokens through the middleware, over HTTP, with the key set from a real server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test whose server or answer is not as it must be has failed"
)]

mod pawl_keys;
mod pawl_tokens;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::middleware::from_fn;
use actix_web::web::{Data, ReqData};
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use pawl_keys::Keys;
use pawl_tokens::{Claims, Pawl, require};
use serde_json::Value;
use tokio::sync::Notify;

static ASKED: AtomicUsize = AtomicUsize::new(0);
/// The third answer is as slow as the test wants it.
static ANSWER: Notify = Notify::const_new();

async fn keys(vectors: Data<Value>) -> HttpResponse {
    if ASKED.fetch_add(1, Ordering::Relaxed) == 2 {
        ANSWER.notified().await;
    }
    HttpResponse::Ok().json(&vectors["jwks"])
}

async fn who(claims: ReqData<Claims>) -> HttpResponse {
    HttpResponse::Ok().json(claims.into_inner())
}

/// The key set, a page, and a page that wants a login of the last five seconds.
fn serve(vectors: &Value) -> (SocketAddr, Data<Pawl>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap().to_owned();
    let pawl = |max_age| {
        Data::new(Pawl {
            issuer: text("issuer"),
            audience: text("audience"),
            jwks_url: format!("http://{address}/jwks.json"),
            max_age,
            clock: || 1_800_000_000,
            keys: Keys::default(),
        })
    };
    let (any, fresh, vectors) = (pawl(None), pawl(Some(5)), Data::new(vectors.clone()));
    let asking = any.clone();
    let server = HttpServer::new(move || {
        let page = |path, pawl: &Data<Pawl>| {
            web::scope(path)
                .app_data(pawl.clone())
                .wrap(from_fn(require))
                .default_service(web::get().to(who))
        };
        App::new()
            .app_data(vectors.clone())
            .route("/jwks.json", web::get().to(keys))
            .service(page("/any", &any))
            .service(page("/fresh", &fresh))
    });
    rt::spawn(server.workers(2).listen(listener).unwrap().run());
    (address, asking)
}

/// Status and challenge.
fn ask(url: &str, token: Option<&Value>) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {}", token.as_str().unwrap()));
    }
    let answer = request.call().unwrap();
    let challenge = answer.headers().get("WWW-Authenticate");
    (answer.status().as_u16(), challenge.map_or("", |value| value.to_str().unwrap()).to_owned())
}

fn play(address: SocketAddr, vectors: &Value) {
    let (any, fresh) = (format!("http://{address}/any"), format!("http://{address}/fresh"));
    let acr = "acr_values=\"urn:pawl:acr:totp\"";
    let stronger = format!("Bearer error=\"insufficient_user_authentication\", {acr}");
    let (good, bad) = (vectors["good"].as_array().unwrap(), vectors["bad"].as_array().unwrap());
    for good in good {
        assert_eq!(ask(&any, Some(&good["token"])), (200, String::new()), "{}", good["name"]);
        let old = format!("{stronger}, max_age=\"5\"");
        assert_eq!(ask(&fresh, Some(&good["token"])), (401, old), "{}", good["name"]);
    }
    for bad in bad {
        let refused = format!("Bearer error=\"invalid_token\", {acr}");
        assert_eq!(ask(&any, Some(&bad["token"])), (401, refused), "{}", bad["name"]);
    }
    assert_eq!(ask(&any, None), (401, stronger));
    assert_eq!(ASKED.load(Ordering::Relaxed), 2, "the key set is fetched once for each middleware");
    println!("actix-web: {} passed, {} refused", good.len(), bad.len());
}

/// While one request waits for the key set, those whose key is known do not.
fn wait(address: SocketAddr, pawl: &Pawl, vectors: &Value) {
    let url = format!("http://{address}/any");
    let named = |bad: &&Value| bad["name"] == "kid-unknown";
    let unknown = vectors["bad"].as_array().unwrap().iter().find(named).unwrap()["token"].clone();
    *pawl.keys.asked.lock().unwrap() = None;
    let slow = std::thread::spawn({
        let url = url.clone();
        move || ask(&url, Some(&unknown)).0
    });
    while ASKED.load(Ordering::Relaxed) < 3 {
        std::thread::yield_now();
    }
    assert_eq!(ask(&url, Some(&vectors["good"][0]["token"])).0, 200);
    assert!(!slow.is_finished(), "a known key waited for the key set");
    ANSWER.notify_one();
    assert_eq!(slow.join().unwrap(), 401);
}

#[actix_web::main]
async fn main() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../tests/vectors/tokens.json")).unwrap();
    assert_eq!(vectors["now"], 1_800_000_000);
    let (address, pawl) = serve(&vectors);
    let played = web::block(move || {
        play(address, &vectors);
        wait(address, &pawl, &vectors);
    });
    played.await.unwrap();
}
