//! The floor: what `verifyCode` costs without a database. The same server with the same middleware and
//! two workers, the same body read by the same extractor, the credential hashed, the code compared over
//! its three steps by the same function, and one token of the same claims signed with ES256. What it
//! leaves out is every read and write, the policy, and the record.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl::clock::Clock;
use pawl::http::extract::{Body, LARGEST_BODY};
use pawl::http::log_request;
use pawl::mfa::secret::Seed;
use pawl::mfa::time::{Step, Timestamp};
use pawl::mfa::totp::{Algorithm, Digits, Parameters, Window, match_code};
use pawl::operations::secret_hash;
use pawl::operations::verifications::VerifyCode;
use pawl::telemetry;
use serde_json::json;

use crate::Outcome;
use crate::population;

struct Floor {
    key: EcdsaKeyPair,
    clock: Clock,
    secret: [u8; 32],
}

/// Serves until it is killed.
pub fn serve(address: SocketAddr, log: &str) -> Outcome<()> {
    telemetry::begin(log, std::io::stderr).map_err(|error| error.to_string())?;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let key = key.map_err(|_| "no key could be generated")?;
    let secret = secret_hash(&population::client_secret(0));
    let floor = web::Data::from(Arc::new(Floor { key, clock: Clock::system(), secret }));
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(floor.clone())
                .app_data(web::PayloadConfig::new(LARGEST_BODY))
                .route("/v1/challenges/verify", web::post().to(verify))
                .wrap(from_fn(log_request))
        });
        let server = server.workers(2).bind(address).map_err(|error| error.to_string())?;
        server.run().await.map_err(|error| error.to_string())
    })
}

async fn verify(
    request: HttpRequest,
    floor: web::Data<Floor>,
    body: Body<VerifyCode>,
) -> HttpResponse {
    let now = floor.clock.now();
    if !knows(&request, &floor) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(body) = body.read() else { return HttpResponse::BadRequest().finish() };
    let seed = Seed::from_random(population::seed(0));
    let parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six };
    let (window, last) = (Window { past: 1, future: 1 }, Step::from_number(0));
    match match_code(Some(&seed), parameters, body.code.get(), now, window, last) {
        Ok(_) => answer(&floor, now),
        Err(_) => HttpResponse::UnprocessableEntity().finish(),
    }
}

fn knows(request: &HttpRequest, floor: &Floor) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = header.and_then(|text| text.rsplit_once('_')).map(|(_, secret)| secret);
    secret.is_some_and(|secret| secret_hash(secret) == floor.secret)
}

fn answer(floor: &Floor, now: Timestamp) -> HttpResponse {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k".repeat(43) });
    let (tenant, user, client) =
        (population::tenant(0), population::user(0), population::client(0));
    let (factor, event) = (population::factor(0), population::event(now.millis(), 0));
    let (at, until) = (now.seconds(), now.seconds() + 300);
    let claims = json!({
        "iss": format!("http://127.0.0.1:8080/t/{tenant}"), "sub": user, "aud": "console",
        "client_id": client, "iat": at, "nbf": at, "exp": until, "jti": event, "tid": tenant,
        "acr": "urn:pawl:acr:totp", "amr": ["pwd", "otp", "mfa"], "auth_time": at, "txn": event,
        "fid": factor, "epoch": 2,
    });
    let mut token = format!("{}.{}", part(&header), part(&claims));
    let Ok(signature) = floor.key.sign(&SystemRandom::new(), token.as_bytes()) else {
        return HttpResponse::InternalServerError().finish();
    };
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    let expires_at = Timestamp::from_seconds(until);
    HttpResponse::Ok().json(json!({
        "tokens": [{ "access_token": token, "token_type": "Bearer", "audience": "console",
            "expires_at": expires_at }],
        "obligations": [],
    }))
}

fn part(value: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
