//! A client's public key: what it may be, and whether it made a signature. The algorithm is the key's
//! own: nothing that a caller sends chooses it (RFC 8725 section 3.1).

use std::ops::RangeInclusive;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{ServiceAccount, choice_words};

choice_words! {
    /// What a key signs with.
    KeyAlgorithm {
        /// ECDSA on P-256.
        Es256 = "ES256",
        /// RSA with PKCS #1 v1.5.
        Rs256 = "RS256",
        /// RSA with PSS.
        Ps256 = "PS256",
    }
}

/// How many live public keys a client has at most: the one in use, and the one that follows it.
pub const LIVE_KEYS: usize = 2;

/// RSA below 3072 bits is weaker than the rest (R-141); above 4096 a signature only costs.
const RSA_BYTES: RangeInclusive<usize> = 384..=512;

/// A cluster's own keys are what its installer made: of 2048 bits, as a rule.
const RSA_BYTES_OF_CLUSTER: RangeInclusive<usize> = 256..=512;

/// A public key (RFC 7517): `crv`, `x` and `y` of an ES256 key, `n` and `e` of an RSA key. A private
/// member is an unknown one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicJwk {
    /// `EC` or `RSA`.
    #[schema(max_length = 8)]
    pub kty: String,
    /// The one algorithm that it signs with.
    pub alg: KeyAlgorithm,
    /// `P-256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 8)]
    pub crv: Option<String>,
    /// The point's x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 43)]
    pub x: Option<String>,
    /// The point's y.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 43)]
    pub y: Option<String>,
    /// The modulus, of 3072 to 4096 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 700)]
    pub n: Option<String>,
    /// The exponent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 8)]
    pub e: Option<String>,
    /// `sig`, if anything.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 8)]
    pub r#use: Option<String>,
    /// The client's own name of it, which Pawl does not use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub kid: Option<String>,
}

/// What a client signs in with, besides its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignsIn {
    /// A key of its own.
    Jwk(PublicJwk),
    /// A token that the cluster gives to this service account.
    ServiceAccount(ServiceAccount),
}

/// A JWK that is no public key for signing. It never echoes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key for ES256 on P-256, or for RS256 or PS256 with 3072 to 4096 bits")]
pub struct NotAKey;

/// A key that can be asked about signatures.
#[derive(Debug)]
pub struct ClientKey {
    parsed: ParsedPublicKey,
    algorithm: KeyAlgorithm,
    thumbprint: String,
}

fn bytes(text: Option<&String>) -> Result<Vec<u8>, NotAKey> {
    URL_SAFE_NO_PAD.decode(text.ok_or(NotAKey)?).map_err(|_| NotAKey)
}

impl PublicJwk {
    /// The key.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn parse(&self) -> Result<ClientKey, NotAKey> {
        self.parse_within(RSA_BYTES)
    }

    /// The key, if it is a cluster's: an RSA key may be as short as 2048 bits.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn parse_of_cluster(&self) -> Result<ClientKey, NotAKey> {
        self.parse_within(RSA_BYTES_OF_CLUSTER)
    }

    fn parse_within(&self, bytes: RangeInclusive<usize>) -> Result<ClientKey, NotAKey> {
        if self.r#use.as_deref().is_some_and(|of| of != "sig") {
            return Err(NotAKey);
        }
        // It is kept as it came, and no database keeps every character.
        if self.kid.as_deref().is_some_and(|kid| kid.chars().any(char::is_control)) {
            return Err(NotAKey);
        }
        match self.alg {
            KeyAlgorithm::Es256 => self.point(),
            KeyAlgorithm::Rs256 => self.modulus(&RSA_PKCS1_2048_8192_SHA256, &bytes),
            KeyAlgorithm::Ps256 => self.modulus(&RSA_PSS_2048_8192_SHA256, &bytes),
        }
    }

    fn point(&self) -> Result<ClientKey, NotAKey> {
        let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
        let is_p256 = self.kty == "EC" && self.crv.as_deref() == Some("P-256");
        if !is_p256 || self.n.is_some() || self.e.is_some() || x.len() != 32 || y.len() != 32 {
            return Err(NotAKey);
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &*x, &*y].concat());
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        self.made(parsed.ok(), &format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    fn modulus(
        &self,
        with: &'static dyn VerificationAlgorithm,
        within: &RangeInclusive<usize>,
    ) -> Result<ClientKey, NotAKey> {
        let (n, e) = (bytes(self.n.as_ref())?, bytes(self.e.as_ref())?);
        let is_rsa =
            self.kty == "RSA" && self.crv.is_none() && self.x.is_none() && self.y.is_none();
        let is_whole = n.first().is_some_and(|first| *first >= 0x80) && e == [1, 0, 1];
        if !is_rsa || !is_whole || !within.contains(&n.len()) {
            return Err(NotAKey);
        }
        let of = RsaPublicKeyComponents { n: &n, e: &e };
        let key: aws_lc_rs::rsa::PublicEncryptingKey = of.try_into().map_err(|_| NotAKey)?;
        let der =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&key)
                .map_err(|_| NotAKey)?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(&n), URL_SAFE_NO_PAD.encode(&e));
        let parsed = ParsedPublicKey::new(with, der.as_ref()).ok();
        self.made(parsed, &format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#))
    }

    /// With its RFC 7638 thumbprint.
    fn made(&self, key: Option<ParsedPublicKey>, members: &str) -> Result<ClientKey, NotAKey> {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Ok(ClientKey { parsed: key.ok_or(NotAKey)?, algorithm: self.alg, thumbprint })
    }
}

impl ClientKey {
    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The RFC 7638 thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether it made this signature.
    #[must_use]
    pub fn signed(&self, input: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(input, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(text: &str) -> Result<PublicJwk, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The example of RFC 7517, appendix A.1.
    const EC: &str = r#"{"kty":"EC","alg":"ES256","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

    #[test]
    fn a_point_of_the_curve_is_a_key_and_another_is_none() {
        assert_eq!(jwk(EC).unwrap().parse().unwrap().algorithm(), KeyAlgorithm::Es256);
        for (from, to) in [
            ("MKBC", "MKBD"),
            ("P-256", "P-384"),
            (r#""EC""#, r#""RSA""#),
            ("ES256", "RS256"),
            (r#""kty""#, r#""use":"enc","kty""#),
            (r#""kty""#, r#""kid":"a\u0000b","kty""#),
            (r#""kty""#, r#""n":"AQAB","kty""#),
        ] {
            assert_eq!(jwk(&EC.replace(from, to)).unwrap().parse().err(), Some(NotAKey), "{to}");
        }
    }

    #[test]
    fn a_private_member_an_unknown_algorithm_and_a_symmetric_key_do_not_parse() {
        for (from, to) in [
            (r#""kty""#, r#""d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","kty""#),
            ("ES256", "HS256"),
            ("ES256", "none"),
            (r#""kty""#, r#""k":"AQAB","kty""#),
            (r#""kty""#, r#""jku":"https://evil.example","kty""#),
        ] {
            assert!(jwk(&EC.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_modulus_below_3072_bits_is_no_key() {
        let rsa = |bytes: usize, e: &str| {
            let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
            jwk(&format!(r#"{{"kty":"RSA","alg":"RS256","n":"{n}","e":"{e}"}}"#)).unwrap().parse()
        };
        assert!(rsa(384, "AQAB").is_ok());
        assert_eq!(rsa(256, "AQAB").err(), Some(NotAKey));
        assert_eq!(rsa(1024, "AQAB").err(), Some(NotAKey));
        assert_eq!(rsa(384, "AQ").err(), Some(NotAKey));
    }
}
