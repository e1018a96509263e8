//! Forged tokens: what an attacker can write, signed with keys that are made for one run.
//!
//! No installation publishes such a key, so none of this is a token (rule 1). Nothing here opens an
//! installation or reads its settings: there is no other key that it could sign with.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::token::SigningKey;

/// A key of this run, and how it would be published.
pub(super) struct Forger {
    pair: EcdsaKeyPair,
    /// The RFC 7638 thumbprint.
    pub(super) kid: String,
    /// The public JWK.
    pub(super) jwk: Value,
}

impl Forger {
    pub(super) fn new() -> Result<Self, String> {
        let (key, pkcs8) = SigningKey::generate().map_err(|error| error.to_string())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|error| error.to_string())?;
        let jwk = key.public().to_json().map_err(|error| error.to_string())?;
        let jwk = serde_json::from_str(&jwk).map_err(|error| error.to_string())?;
        Ok(Self { pair, kid: key.public().kid().to_owned(), jwk })
    }

    /// The public point, as `04 | x | y`.
    pub(super) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The key set that has this key alone.
    pub(super) fn key_set(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// A compact JWS of it.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> Result<String, String> {
        let input = signing_input(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes());
        let signature = signature.map_err(|error| error.to_string())?;
        Ok(with_signature(&input, signature.as_ref()))
    }
}

/// What a JWS signs (RFC 7515 section 5.1).
pub(super) fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// The signing input with a signature of any kind.
pub(super) fn with_signature(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// HS256 with whatever stands in for a secret.
pub(super) fn with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = signing_input(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    with_signature(&input, hmac::sign(&key, input.as_bytes()).as_ref())
}

/// A public key as most programs keep it in a file.
pub(super) fn pem(point: &[u8]) -> String {
    // SubjectPublicKeyInfo of id-ecPublicKey on prime256v1 (RFC 5480), up to the point.
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let text = STANDARD.encode([&HEAD, point].concat());
    let (first, second) = text.split_at_checked(64).unwrap_or((&text, ""));
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
}

/// r and s as ASN.1: right for X.509, wrong for JWS (RFC 7518 section 3.4).
pub(super) fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at_checked(32).unwrap_or_default();
    let content = [integer(r), integer(s)].concat();
    [&[0x30, length(&content)], content.as_slice()].concat()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = number.get(first..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    let content = [sign, digits].concat();
    [&[0x02, length(&content)], content.as_slice()].concat()
}

/// In one byte: nothing here is longer than 72.
fn length(content: &[u8]) -> u8 {
    u8::try_from(content.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn a_signature_is_the_same_in_both_forms() {
        let forger = Forger::new().unwrap();
        for _ in 0..50 {
            let token = forger.token(&json!({ "alg": "ES256" }), &json!({})).unwrap();
            let (input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, forger.point());
            fixed.verify(input.as_bytes(), &signature).unwrap();
            let asn1 = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, forger.point());
            asn1.verify(input.as_bytes(), &der(&signature)).unwrap();
        }
    }

    #[test]
    fn the_public_key_is_a_file_as_openssl_writes_it() {
        // The key of tests/vectors, written by another program.
        let decode = |number: &str| URL_SAFE_NO_PAD.decode(number).unwrap();
        let x = decode("YsDvG6swSszAZ6_6y2a-ROp0RnFAqO8pd2yVC56d3J8");
        let y = decode("u5-STUYwycCyDnqXnRTBKzW3dbraykjuPoNtg3jLkjQ");
        let expected = "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYsDvG6swSszAZ6/6y2a+ROp0RnFA\n\
            qO8pd2yVC56d3J+7n5JNRjDJwLIOepedFMErNbd1utrKSO4+g22DeMuSNA==\n\
            -----END PUBLIC KEY-----\n";
        assert_eq!(pem(&[vec![4], x, y].concat()), expected);
    }
}
