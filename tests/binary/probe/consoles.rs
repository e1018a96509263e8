//! Consoles in this process: one that is sound, and one that has a fault by name.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl::token::SigningKey;
use serde_json::{Value, json};

use super::pawl_keys::Keys;
use super::pawl_tokens::{Pawl, require};
use super::validator::{Validator, Verdict};

/// Serves until the test's process ends.
pub fn serve(page: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listen(listener, page);
    address
}

fn listen(listener: TcpListener, page: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) {
    std::thread::spawn(move || {
        let server = HttpServer::new(move || App::new().configure(page.clone()));
        let server = server.workers(2).disable_signals().listen(listener).unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
}

fn issuer(base: &str) -> String {
    format!("{base}/t/ten_{:032x}", 1)
}

/// A page behind the middleware of `examples/actix`, for the Pawl at `base`.
pub fn sound(base: &str) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let pawl = Data::new(Pawl {
        issuer: issuer(base),
        audience: "console".to_owned(),
        jwks_url: format!("{base}/.well-known/jwks.json"),
        max_age: None,
        clock: || jiff::Timestamp::now().as_second(),
        keys: Keys::default(),
    });
    move |app| {
        let page = web::scope("/page").app_data(pawl.clone()).wrap(from_fn(require));
        app.service(page.default_service(web::get().to(HttpResponse::Ok)));
    }
}

/// A console whose validator has a fault, with several ways to refuse.
pub fn faulty(
    base: &str,
    fault: &'static str,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let validator = Validator {
        fault,
        issuer: issuer(base),
        base: base.to_owned(),
        opened: Arc::new(AtomicUsize::new(0)),
    };
    let validator = Data::new(validator);
    move |app| {
        app.app_data(validator.clone());
        for path in ["/page", "/cookie", "/redirects", "/says"] {
            app.route(path, web::get().to(page));
        }
    }
}

async fn page(validator: Data<Validator>, request: HttpRequest) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let token = if request.path() == "/cookie" {
        header("Cookie").and_then(|cookie| cookie.strip_prefix("session="))
    } else {
        header("Authorization").and_then(|value| value.strip_prefix("Bearer "))
    };
    match (validator.verdict(token), request.path()) {
        (Verdict::Opens, _) => {
            validator.opened.fetch_add(1, Ordering::Relaxed);
            HttpResponse::Ok().body("the vault")
        }
        (Verdict::Breaks, _) => HttpResponse::InternalServerError().finish(),
        (Verdict::Refuses, "/redirects") => {
            HttpResponse::Found().insert_header(("Location", "/login")).finish()
        }
        (Verdict::Refuses, "/says") => HttpResponse::Ok().body("Sign in"),
        (Verdict::Refuses, _) => HttpResponse::Unauthorized().finish(),
    }
}

/// A key that plays the real Pawl's.
pub struct Signer {
    pair: EcdsaKeyPair,
    jwk: Value,
}

impl Signer {
    pub fn new() -> Self {
        let (key, pkcs8) = SigningKey::generate().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let jwk = serde_json::from_str(&key.public().to_json().unwrap()).unwrap();
        Self { pair, jwk }
    }

    /// The key set, and a sound console that believes it, at one address.
    pub fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (page, set) = (sound(&format!("http://{address}")), json!({ "keys": [self.jwk] }));
        listen(listener, move |app| {
            page(app);
            let set = set.clone();
            let answer = move || {
                let set = set.clone();
                async move { HttpResponse::Ok().json(set) }
            };
            app.route("/.well-known/jwks.json", web::get().to(answer));
        });
        address
    }

    /// A good token but for a change of its claims.
    pub fn token(&self, base: &str, change: &Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": issuer(base), "tid": format!("ten_{:032x}", 1), "aud": "console", "sub": "usr_1",
            "jti": "tok_1", "acr": "urn:pawl:acr:totp", "amr": ["otp"], "iat": now, "nbf": now,
            "exp": now + 300, "auth_time": now, "epoch": 1,
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.jwk["kid"] });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
