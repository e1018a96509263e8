//! Validates Pawl's tokens, by the eight rules of docs/validating-tokens.md.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::api::{Api, Failure};

/// Who a valid token names. Only [`Keys::check`] makes one.
#[derive(Clone)]
pub struct Subject(String);

impl Subject {
    /// Pawl's id of the user.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a token must say.
pub struct Wanted<'a> {
    /// The tenant's issuer.
    pub issuer: &'a str,
    /// Our own audience.
    pub audience: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    tid: String,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    auth_time: i64,
    acr: String,
    amr: Vec<String>,
    sub: String,
    #[serde(rename = "jti")]
    _jti: String,
    #[serde(rename = "epoch")]
    _epoch: i64,
}

/// A published key.
#[derive(Clone, Deserialize)]
struct Key {
    kid: String,
    x: String,
    y: String,
}

/// The key set as it is published.
#[derive(Clone, Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// Pawl's public keys, asked for when they are needed.
pub struct Keys {
    api: Api,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: Option<(KeySet, Instant)>,
    asked: Option<Instant>,
}

/// How old a key set may be: what Pawl's `Cache-Control` says.
const MAX_AGE: Duration = Duration::from_mins(5);
/// An unknown key is asked for twice a minute at most, or strangers decide how often we ask.
const PAUSE: Duration = Duration::from_secs(30);

impl Keys {
    /// None yet. The address is the configuration's, never a token's.
    pub fn new(api: Api) -> Self {
        Self { api, cached: Mutex::default() }
    }

    /// Checks a token.
    ///
    /// # Errors
    /// The key set cannot be had; `Ok(None)` is a token that is not good, whatever is wrong with it.
    pub async fn check(
        &self,
        token: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Subject>, Failure> {
        let Some(header) = header(token) else { return Ok(None) };
        let mut key = self.find(&header.kid);
        if key.is_none() && self.may_ask() {
            self.ask().await?;
            key = self.find(&header.kid);
        }
        Ok(key.and_then(|key| check(token, &key, wanted)))
    }

    fn find(&self, kid: &str) -> Option<Key> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, at) = cached.keys.as_ref()?;
        let key = set.keys.iter().find(|key| key.kid == kid).filter(|_| at.elapsed() < MAX_AGE);
        key.cloned()
    }

    /// Whether the keys are too old, or an unknown one may be new.
    fn may_ask(&self) -> bool {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let old = cached.keys.as_ref().is_none_or(|(_, at)| at.elapsed() >= MAX_AGE);
        let may = old || cached.asked.is_none_or(|at| at.elapsed() >= PAUSE);
        if may {
            cached.asked = Some(Instant::now());
        }
        may
    }

    async fn ask(&self) -> Result<(), Failure> {
        let set: KeySet = self.api.get_public("/.well-known/jwks.json").await?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.keys = Some((set, Instant::now()));
        Ok(())
    }
}

/// Rules 1 and 2, but for the key itself. The library's own reading ignores what it does not know.
fn header(token: &str) -> Option<Header> {
    let mut parts = token.split('.');
    let (first, rest) = (parts.next()?, parts.count());
    if token.len() > 4096 || rest != 2 {
        return None;
    }
    let json = URL_SAFE_NO_PAD.decode(first).ok()?;
    let header: Header = serde_json::from_slice(&json).ok()?;
    (header.alg == "ES256" && header.typ == "at+jwt").then_some(header)
}

/// Rules 3 to 8.
fn check(token: &str, key: &Key, wanted: &Wanted<'_>) -> Option<Subject> {
    let key = DecodingKey::from_ec_components(&key.x, &key.y).ok()?;
    // The library checks the signature alone: of the claims it lets some pass that are not good.
    let mut signature = Validation::new(Algorithm::ES256);
    signature.required_spec_claims.clear();
    signature.validate_exp = false;
    signature.validate_aud = false;
    let claims = decode::<Claims>(token, &key, &signature).ok()?.claims;
    let tenant = wanted.issuer.rsplit('/').next()?;
    let latest = wanted.now + 5;
    let is_good = claims.iss == wanted.issuer
        && claims.tid == tenant
        && claims.aud == wanted.audience
        && claims.exp > wanted.now
        && claims.nbf <= latest
        && claims.iat <= latest
        && claims.exp.checked_sub(claims.iat).is_some_and(|life| life <= 900)
        && claims.auth_time <= claims.iat
        && claims.acr == "urn:pawl:acr:totp"
        && claims.amr.iter().any(|method| method == "otp");
    is_good.then_some(Subject(claims.sub))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn passes(vectors: &Value, token: &Value) -> bool {
        let token = token["token"].as_str().unwrap();
        let set: KeySet = serde_json::from_value(vectors["jwks"].clone()).unwrap();
        let wanted = Wanted {
            issuer: vectors["issuer"].as_str().unwrap(),
            audience: vectors["audience"].as_str().unwrap(),
            now: vectors["now"].as_i64().unwrap(),
        };
        let Some(header) = header(token) else { return false };
        let key = set.keys.iter().find(|key| key.kid == header.kid);
        key.is_some_and(|key| check(token, key, &wanted).is_some())
    }

    #[test]
    fn the_published_good_tokens_pass_and_the_bad_ones_do_not() {
        let text = include_str!("../../tests/vectors/tokens.json");
        let vectors: Value = serde_json::from_str(text).unwrap();
        let (good, bad) = (vectors["good"].as_array().unwrap(), vectors["bad"].as_array().unwrap());
        assert!(!good.is_empty() && bad.len() >= 25);
        for token in good {
            assert!(passes(&vectors, token), "{} was refused", token["name"]);
        }
        for token in bad {
            assert!(!passes(&vectors, token), "{} passed", token["name"]);
        }
    }
}
