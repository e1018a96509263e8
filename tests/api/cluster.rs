//! A cluster: keys, and tokens of its service accounts.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsBigEndian as _, EcPublicKeyUncompressedBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl::config::Workload;
use serde_json::{Value, json};

use crate::support::signer::form;
use crate::support::{Answer, Server};

/// The cluster's issuer.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// What its tokens for Pawl are for.
pub const AUDIENCE: &str = "pawl";
/// The console's service account.
pub const ACCOUNT: &str = "system:serviceaccount:shop:console";

/// The settings of a server whose keys are in a file, or somewhere.
pub fn settings(jwks_url: Option<String>) -> Workload {
    let jwks_file = jwks_url.is_none().then(|| PathBuf::from("jwks.json"));
    let (issuer, audience) = (ISSUER.to_owned(), AUDIENCE.to_owned());
    Workload { issuer, audience, jwks_file, jwks_url, ca_file: None }
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A key of the cluster.
pub struct ClusterKey {
    kid: &'static str,
    pair: Pair,
}

impl ClusterKey {
    /// As kubeadm makes it.
    pub fn rsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// The other kind that a cluster may have.
    pub fn ec(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, pair: Pair::Ec(pair) }
    }

    /// What it signs with.
    pub fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    /// The public half, as the cluster publishes it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let n = n.big_endian_without_leading_zero();
                let e = e.big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e) })
            }
            Pair::Ec(pair) => {
                let point: EcPublicKeyUncompressedBin<'_> =
                    pair.public_key().as_be_bytes().unwrap();
                let (x, y) = point.as_ref()[1..].split_at(32);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
        };
        let named = json!({ "use": "sig", "alg": self.alg(), "kid": self.kid });
        jwk.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        jwk
    }

    /// The public half as bytes: what somebody would try as a shared secret.
    pub fn public(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The header that an API server writes.
    pub fn header(&self) -> Value {
        json!({ "alg": self.alg(), "kid": self.kid })
    }

    /// Signs whatever it is.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, input.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good token of the console's pod.
    pub fn token(&self, server: &Server) -> String {
        self.sign(&self.header(), &claims(server))
    }
}

/// The claims of a projected token, by the server's clock.
pub fn claims(server: &Server) -> Value {
    let now = server.now().seconds();
    json!({
        "iss": ISSUER, "sub": ACCOUNT, "aud": [AUDIENCE],
        "iat": now, "nbf": now, "exp": now + 600, "jti": "6a5b8f9a-8e0f-4f43-9c6d-1b5b0b9a7c11",
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "node-1", "uid": "0f6f8c7e-2f0c-4b1c-8b57-0d6b1f2f7a01" },
            "pod": { "name": "console-0", "uid": "5d0e7c4c-0d3e-4f2a-8f55-3d8f0a6b9e02" },
            "serviceaccount": { "name": "console", "uid": "c2c6e0f4-8d38-4c0b-bb0c-6f4a1d7e5b03" },
        },
    })
}

/// A key set of these keys.
pub fn jwks(keys: &[&ClusterKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Puts something where the server finds its cluster's keys.
pub fn publish(server: &Server, text: &str) {
    std::fs::write(server.data_dir().join("jwks.json"), text).unwrap();
}

/// `issueClientToken` for a client.
pub fn ask(server: &Server, client: &str, token: &str) -> Answer {
    let form = form(token, &format!("&client_id={client}"));
    server.call("issueClientToken").form(&form).send()
}

/// Where a cluster answers with its keys.
pub struct Endpoint {
    /// Its address.
    pub url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Answers with these keys.
    pub fn start(text: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/openid/v1/jwks", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, text)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (told, count) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut more = [0; 1024];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut more).unwrap() {
                        0 => break,
                        read => request.extend_from_slice(&more[..read]),
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (status, text) = told.lock().unwrap().clone();
                let length = text.len();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nLocation: /other\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all((head + &text).as_bytes()).unwrap();
            }
        });
        Self { url, answer, asked }
    }

    /// Answers like this from now on.
    pub fn answers(&self, status: u16, text: &str) {
        *self.answer.lock().unwrap() = (status, text.to_owned());
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
