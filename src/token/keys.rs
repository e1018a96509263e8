//! Signing keys (ES256) and the set of public keys that the installation publishes.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::ALGORITHM;

/// A key that cannot be used. It never echoes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The library could not make a key.
    #[error("no key could be generated")]
    NotGenerated,
    /// Not PKCS#8 of a P-256 private key.
    #[error("not a PKCS#8 private key on P-256")]
    NotPrivate,
    /// Not the public JWK that Pawl writes.
    #[error("not a public ES256 key as Pawl stores it")]
    NotPublic,
    /// The set could not be written as JSON.
    #[error("the key set could not be written")]
    NotWritten,
}

/// An ES256 private key, kept as the library's own key object, which wipes itself when dropped.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key, and its PKCS#8 form to be sealed.
    ///
    /// The one exception to "random bytes are arguments": the library draws the key itself, so that
    /// nobody can hand it a bad scalar.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`].
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::NotGenerated)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::NotGenerated)?;
        Ok((Self::from_pair(pair)?, Zeroizing::new(pkcs8.as_ref().to_vec())))
    }

    /// Restores a key from the PKCS#8 bytes that [`Self::generate`] gave.
    ///
    /// # Errors
    /// [`KeyError::NotPrivate`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| KeyError::NotPrivate)?;
        Self::from_pair(pair)
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        // SEC 1 section 2.3.3: an uncompressed point is 04 | x | y.
        let (x, y) = match pair.public_key().as_ref() {
            [4, point @ ..] => point.split_at_checked(32).ok_or(KeyError::NotPublic)?,
            _ => return Err(KeyError::NotPublic),
        };
        let public = PublicKey::from_point(x, y)?;
        Ok(Self { pair, public })
    }

    /// What may be published of it.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a JWS signing input (RFC 7515 section 5.1); ECDSA's nonce is the library's own.
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature =
            self.pair.sign(&SystemRandom::new(), input).map_err(|_| KeyError::NotPrivate)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// The members of a public JWK, whole: a private `d` or a symmetric `k` does not parse (R-090).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
    kid: String,
}

/// The public half of a signing key.
#[derive(Clone)]
pub struct PublicKey {
    jwk: Jwk,
    decoding: DecodingKey,
}

impl PublicKey {
    fn from_point(x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let point = [&[4], x, y].concat();
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
        if x.len() != 32 || y.len() != 32 || parsed.is_err() {
            return Err(KeyError::NotPublic);
        }
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = thumbprint(&x, &y);
        let (kty, crv, alg, usage) = ("EC".into(), "P-256".into(), ALGORITHM.into(), "sig".into());
        Ok(Self {
            jwk: Jwk { kty, crv, x, y, alg, usage, kid },
            decoding: DecodingKey::from_ec_der(&point),
        })
    }

    /// Reads a stored JWK. Whatever is not exactly what [`Self::to_json`] writes for some point of
    /// the curve is refused, a foreign `kid` too.
    ///
    /// # Errors
    /// [`KeyError::NotPublic`].
    pub fn parse(json: &str) -> Result<Self, KeyError> {
        let stored: Jwk = serde_json::from_str(json).map_err(|_| KeyError::NotPublic)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::NotPublic);
        let key = Self::from_point(&decode(&stored.x)?, &decode(&stored.y)?)?;
        let told = (&stored.kty, &stored.crv, &stored.alg, &stored.usage, &stored.kid);
        let true_of_it = (&key.jwk.kty, &key.jwk.crv, &key.jwk.alg, &key.jwk.usage, &key.jwk.kid);
        if told == true_of_it { Ok(key) } else { Err(KeyError::NotPublic) }
    }

    /// The public JWK (RFC 7517): `kty`, `crv`, `x`, `y`, `alg`, `use`, `kid` and nothing else.
    ///
    /// # Errors
    /// [`KeyError::NotWritten`].
    pub fn to_json(&self) -> Result<String, KeyError> {
        serde_json::to_string(&self.jwk).map_err(|_| KeyError::NotWritten)
    }

    /// The RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// RFC 7638 section 3: SHA-256 over the required members in lexical order, without blanks.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// Every key that the installation publishes: signing, about to sign, or retiring (R-091).
pub struct KeySet {
    keys: Vec<PublicKey>,
    json: Vec<u8>,
    etag: String,
}

impl KeySet {
    /// The set of these keys. Their order does not matter, so that all replicas say the same.
    ///
    /// # Errors
    /// [`KeyError::NotWritten`].
    pub fn new(mut keys: Vec<PublicKey>) -> Result<Self, KeyError> {
        #[derive(Serialize)]
        struct Jwks<'a> {
            keys: Vec<&'a Jwk>,
        }
        keys.sort_by(|a, b| a.kid().cmp(b.kid()));
        keys.dedup_by(|a, b| a.kid() == b.kid());
        let jwks = Jwks { keys: keys.iter().map(|key| &key.jwk).collect() };
        let json = serde_json::to_vec(&jwks).map_err(|_| KeyError::NotWritten)?;
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, &json)));
        Ok(Self { keys, json, etag })
    }

    /// The JWKS (RFC 7517 section 5) as published.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The strong entity tag of [`Self::json`], quotes included (RFC 9110 section 8.8.3, R-092).
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The key with this `kid`, if it is published.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The P-256 key of RFC 7515 appendix A.3.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    #[test]
    fn the_kid_is_the_rfc_7638_thumbprint() {
        // Computed apart: printf '{"crv":…}' | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(thumbprint(X, Y), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    }

    #[test]
    fn a_key_survives_its_own_pkcs8_and_json() {
        let (key, pkcs8) = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(&pkcs8).unwrap();
        assert_eq!(key.public().kid(), again.public().kid());
        let json = key.public().to_json().unwrap();
        assert_eq!(PublicKey::parse(&json).unwrap().to_json().unwrap(), json);
        let (other, _) = SigningKey::generate().unwrap();
        assert_ne!(key.public().kid(), other.public().kid());
    }

    #[test]
    fn a_broken_private_key_is_refused() {
        let (_, pkcs8) = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_pkcs8(&[]).err(), Some(KeyError::NotPrivate));
        let short = pkcs8.split_last().unwrap().1;
        assert_eq!(SigningKey::from_pkcs8(short).err(), Some(KeyError::NotPrivate));
    }

    #[test]
    fn only_the_public_members_are_published() {
        let (key, _) = SigningKey::generate().unwrap();
        let set = KeySet::new(vec![key.public().clone()]).unwrap();
        let json: serde_json::Value = serde_json::from_slice(set.json()).unwrap();
        let members: Vec<_> = json["keys"][0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }

    #[test]
    fn a_jwk_that_is_not_ours_is_refused() {
        let json = SigningKey::generate().unwrap().0.public().to_json().unwrap();
        for (old, new) in [
            ("\"EC\"", "\"oct\""),
            ("P-256", "P-384"),
            ("ES256", "HS256"),
            ("\"sig\"", "\"enc\""),
            ("\"kid\":\"", "\"kid\":\"A"),
            ("\"x\":\"", "\"d\":\"AAAA\",\"x\":\""),
            ("\"x\":\"", "\"x\":\"AAAA"),
            ("\"y\":\"", &format!("\"y\":\"{Y}\",\"y\":\"")),
        ] {
            let bad = json.replace(old, new);
            assert_ne!(bad, json);
            assert_eq!(PublicKey::parse(&bad).err(), Some(KeyError::NotPublic), "{new}");
        }
        let off_curve = PublicKey::from_point(&[1; 32], &[1; 32]);
        assert_eq!(off_curve.err(), Some(KeyError::NotPublic));
    }

    #[test]
    fn the_etag_is_strong_quoted_and_follows_the_keys_not_their_order() {
        let keys: Vec<_> =
            (0..3).map(|_| SigningKey::generate().unwrap().0.public().clone()).collect();
        let set = KeySet::new(keys.clone()).unwrap();
        let reversed = KeySet::new(keys.iter().rev().chain(&keys).cloned().collect()).unwrap();
        assert_eq!((set.json(), set.etag()), (reversed.json(), reversed.etag()));
        assert!(set.etag().starts_with('"') && set.etag().ends_with('"'));
        let fewer = KeySet::new(keys[..2].to_vec()).unwrap();
        assert_ne!(set.etag(), fewer.etag());
        assert!(fewer.find(keys[0].kid()).is_some());
        assert!(fewer.find(keys[2].kid()).is_none());
    }
}
