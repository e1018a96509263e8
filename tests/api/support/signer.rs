//! A client's own key: it signs assertions.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::actors::{Act, Console, User};
use super::http::Answer;
use super::server::{BASE, Server};

/// A key and whose it is.
pub struct Signer {
    pair: EcdsaKeyPair,
    /// The client.
    pub client_id: String,
    server: Server,
}

fn encode(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

impl Signer {
    /// A new key that nobody knows.
    pub fn new(console: &Console) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, client_id: console.client_id.clone(), server: console.server.clone() }
    }

    /// A key that an administrator added; and its id.
    pub fn added(console: &Console, admin: &User) -> (Self, String) {
        let signer = Self::new(console);
        admin.act(&Act::add_key(&console.client_id, signer.jwk())).ok();
        let client = admin.call("getClient").at("client_id", &console.client_id).send().ok();
        let id = client["keys"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
        (signer, id.to_owned())
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let point = self.public();
        let (x, y) = point[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "mine",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// The public half as a point.
    pub fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Signs whatever it is.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The header of a good assertion.
    pub fn header() -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": "mine" })
    }

    /// The claims of a good assertion, by the server's clock.
    pub fn claims(&self, jti: &str) -> Value {
        let now = self.server.now().seconds();
        json!({
            "iss": self.client_id, "sub": self.client_id, "aud": format!("{BASE}/oauth/token"),
            "iat": now, "exp": now + 60, "jti": jti,
        })
    }

    /// A good assertion.
    pub fn assertion(&self, jti: &str) -> String {
        self.sign(&Self::header(), &self.claims(jti))
    }

    /// `issueClientToken` with an assertion and more of the form.
    pub fn ask(&self, assertion: &str, more: &str) -> Answer {
        self.server.call("issueClientToken").form(&form(assertion, more)).send()
    }

    /// The token of a good assertion.
    pub fn token(&self, jti: &str) -> String {
        let answer = self.ask(&self.assertion(jti), "").ok();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// The form of a request.
pub fn form(assertion: &str, more: &str) -> String {
    format!(
        "grant_type=client_credentials&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion={assertion}{more}"
    )
}
