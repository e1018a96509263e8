//! Tokens that a Kubernetes cluster gives to its service accounts, and the keys that it signs them with.
//! Such a token is no assertion of RFC 7523: it has no `jti` that is good once, for a pod reads the same
//! file again and again. What bounds it is its audience, which is Pawl alone, and its life.

use serde::Deserialize;
use serde_json::Value;

use super::assertion::{AssertionRefused, Header, LEEWAY_SECONDS, Parts, require};
use crate::mfa::client_key::{ClientKey, KeyAlgorithm, PublicJwk};
use crate::mfa::words::ServiceAccount;

/// The longest life of a token: what `serviceAccountToken` asks for unless told otherwise.
const LONGEST_LIFE_SECONDS: i64 = 3600;
/// More keys than this are no key set of a cluster.
const MOST_KEYS: usize = 32;

/// A key of the cluster: the algorithm is the key's own, RS256 or ES256.
struct ClusterKey {
    kid: String,
    key: ClientKey,
}

/// The cluster's public keys.
pub struct ClusterKeys(Vec<ClusterKey>);

/// A key set that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoClusterKeys {
    /// Not a key set.
    #[error("it is no JWKS")]
    Malformed,
    /// Too many keys.
    #[error("it has more than 32 keys")]
    TooMany,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

/// What is looked at of a key; a cluster may say more.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    of: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

impl Jwk {
    fn parse(self) -> Option<ClusterKey> {
        let alg = if self.kty == "EC" { KeyAlgorithm::Es256 } else { KeyAlgorithm::Rs256 };
        if self.alg.is_some_and(|said| said != alg.as_str()) {
            return None;
        }
        let Self { kty, kid, of, crv, x, y, n, e, .. } = self;
        let jwk = PublicJwk { kty, alg, crv, x, y, n, e, r#use: of, kid: None };
        Some(ClusterKey { kid, key: jwk.parse_of_cluster().ok()? })
    }
}

impl ClusterKeys {
    /// Reads a key set; a key in it that is of no use here is left out (RFC 7517 section 5). A set without any is
    /// a key set too: with it a cluster takes back every key.
    ///
    /// # Errors
    /// [`NoClusterKeys`].
    pub fn parse(text: &[u8]) -> Result<Self, NoClusterKeys> {
        let Jwks { keys } = serde_json::from_slice(text).or(Err(NoClusterKeys::Malformed))?;
        if keys.len() > MOST_KEYS {
            return Err(NoClusterKeys::TooMany);
        }
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<_> = keys.filter_map(Jwk::parse).collect();
        Ok(Self(keys))
    }

    /// Whether there is no key that could sign.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }
}

/// The one audience of a token: a list of one, or itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneAudience {
    Listed([String; 1]),
    Alone(String),
}

/// What is looked at; the cluster says more.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: OneAudience,
    exp: i64,
    iat: i64,
    nbf: i64,
}

#[derive(Deserialize)]
struct Issuer {
    iss: Value,
}

/// A cluster's token that nobody has vouched for yet.
pub struct WorkloadToken {
    header: Header,
    kid: String,
    claims: Claims,
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl WorkloadToken {
    /// Reads it, if it says that it is of this issuer; nothing in it is true yet.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    pub fn read(text: &str, issuer: &str) -> Result<Option<Self>, AssertionRefused> {
        let Parts { header, claims, input, signature } = Parts::of(text)?;
        let said: Issuer = serde_json::from_slice(&claims).or(Err(AssertionRefused::Claims))?;
        if said.iss.as_str() != Some(issuer) {
            return Ok(None);
        }
        let claims = serde_json::from_slice(&claims).or(Err(AssertionRefused::Claims))?;
        let kid = header.kid.clone().ok_or(AssertionRefused::Header)?;
        Ok(Some(Self { header, kid, claims, input, signature }))
    }

    /// Which of the cluster's keys it names.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Holds all of it to the cluster's keys; answers whose it is.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    pub fn verify(
        &self,
        keys: &ClusterKeys,
        audience: &str,
        now: i64,
    ) -> Result<ServiceAccount, AssertionRefused> {
        use AssertionRefused::{
            Algorithm, Audience, Expired, Life, NotYetValid, Subject, UnknownKey,
        };
        let named = || keys.0.iter().filter(|key| key.kid == self.kid).map(|key| &key.key);
        require(named().next().is_some(), UnknownKey)?;
        let mut fitting =
            named().filter(|key| key.algorithm().as_str() == self.header.alg).peekable();
        require(fitting.peek().is_some(), Algorithm)?;
        let is_signed = fitting.any(|key| key.signed(&self.input, &self.signature));
        require(is_signed, AssertionRefused::Signature)?;
        let claims = &self.claims;
        let (OneAudience::Listed([said]) | OneAudience::Alone(said)) = &claims.aud;
        require(said == audience, Audience)?;
        let latest = now.saturating_add(LEEWAY_SECONDS);
        require(claims.iat <= latest && claims.nbf <= latest, NotYetValid)?;
        require(claims.exp > now, Expired)?;
        require(claims.exp.saturating_sub(claims.iat) <= LONGEST_LIFE_SECONDS, Life)?;
        ServiceAccount::parse(&claims.sub).or(Err(Subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","kid":"a","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

    fn set(keys: &[&str]) -> Result<ClusterKeys, NoClusterKeys> {
        ClusterKeys::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn a_key_set_keeps_what_it_can_use() {
        let rsa = |bytes: usize| {
            use base64::Engine as _;
            let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
            format!(
                r#"{{"kty":"RSA","kid":"{bytes}","alg":"RS256","use":"sig","n":"{n}","e":"AQAB"}}"#
            )
        };
        let (short, usual, long) = (rsa(128), rsa(256), rsa(1024));
        let more = EC.replace(r#""kid":"a""#, r#""kid":"b","x5c":["AAAA"],"key_ops":["verify"]"#);
        let symmetric = r#"{"kty":"oct","kid":"c","k":"AQAB"}"#;
        let other = EC.replace(r#""kid":"a""#, r#""kid":"d","alg":"ES384""#);
        let sealing = EC.replace(r#""kid":"a""#, r#""kid":"e","use":"enc""#);
        let keys = set(&[EC, &short, &usual, &long, &more, symmetric, &other, &sealing, "7"]);
        let keys = keys.unwrap();
        let names: Vec<_> = keys.0.iter().map(|key| key.kid.as_str()).collect();
        assert_eq!(names, ["a", "256", "b"]);
        assert!(keys.has("256") && !keys.has("c"));
    }

    #[test]
    fn a_set_without_a_usable_key_is_a_key_set_and_has_none() {
        let nameless = EC.replace(r#""kid":"a","#, "");
        let symmetric = r#"{"kty":"oct","kid":"c","k":"AQAB"}"#;
        for keys in [vec![], vec![symmetric], vec![nameless.as_str()]] {
            assert!(set(&keys).is_ok_and(|set| set.is_empty()), "{keys:?}");
        }
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        assert_eq!(set(&[EC; 33]).err(), Some(NoClusterKeys::TooMany));
        for text in ["", "garbage", "[]", "{}", r#"{"keys":{}}"#] {
            let read = ClusterKeys::parse(text.as_bytes()).err();
            assert_eq!(read, Some(NoClusterKeys::Malformed), "{text}");
        }
    }
}
