//! Client assertions (RFC 7523): a JWT that a client signs with a key of its own to get an access
//! token. It is read in two steps: who it says it is, which finds the key; then all of it under that key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::TYPE;
use crate::mfa::client_key::ClientKey;
use crate::mfa::ids::ClientId;

/// A longer assertion is not even decoded.
const LONGEST: usize = 4096;
/// The longest life of an assertion: client libraries use up to five minutes.
const LONGEST_LIFE_SECONDS: i64 = 300;
/// How far a client's clock may run ahead.
pub(super) const LEEWAY_SECONDS: i64 = 5;

/// The header. Whatever else stands in it is refused: no key and no address comes from a caller, and
/// what `crit` names we do not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default)]
    typ: Option<String>,
    /// Which of a cluster's keys. A client's own is found by trying: there are two at the most.
    #[serde(default)]
    pub(super) kid: Option<String>,
}

/// What is looked at; a client may say more.
#[derive(Deserialize)]
struct Claims {
    iss: ClientId,
    sub: ClientId,
    aud: String,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    jti: String,
}

/// Why an assertion is refused, for the log line; [`AssertionRefused::description`] is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("assertion refused: {self:?}")]
pub enum AssertionRefused {
    /// Not a compact JWS, or too long.
    Malformed,
    /// A header parameter is unknown or of a wrong type.
    Header,
    /// It is another kind of token.
    Type,
    /// A claim is missing, doubled or of a wrong type.
    Claims,
    /// `alg` is not the key's own.
    Algorithm,
    /// The signature does not fit.
    Signature,
    /// `aud` is not this token endpoint, nor the tenant's issuer.
    Audience,
    /// `iat` or `nbf` lies ahead.
    NotYetValid,
    /// `exp` has come.
    Expired,
    /// It lives longer than it may.
    Life,
    /// `kid` names none of the cluster's keys.
    UnknownKey,
    /// `sub` is no service account, or none that may sign in as this client.
    Subject,
}

impl AssertionRefused {
    /// What the client is told (`error_description`). The checks before the signature depend only on what the
    /// client sent. Everything that depends on what is registered has one text, which tells nobody whether
    /// a client exists. The checks after the signature are told to who holds the key.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Malformed => "client_assertion is not a compact JWS of at most 4096 characters",
            Self::Header => "the header may have alg, typ and kid, as strings, and nothing else",
            Self::Type => "typ is neither JWT nor client-authentication+jwt",
            Self::Claims => {
                "iss, sub, aud, exp and jti are wanted: iss and sub are the client id, as in client_id, aud is one \
                 string, exp a whole number, and jti has 1 to 128 characters"
            }
            Self::Algorithm | Self::Signature | Self::UnknownKey | Self::Subject => {
                "no live key of a client of this id made this signature, or no such service account is registered"
            }
            Self::Audience => "aud is neither the URL of this endpoint nor the issuer",
            Self::NotYetValid => "iat or nbf is more than 5 seconds in the future",
            Self::Expired => "exp is in the past: the assertion expired",
            Self::Life => {
                "the assertion may live 300 seconds at the most, a service account's token 3600"
            }
        }
    }
}

/// An assertion that nobody has vouched for yet.
pub struct Assertion {
    header: Header,
    claims: Claims,
    input: Vec<u8>,
    signature: Vec<u8>,
}

/// The parts of a compact JWS, as bytes.
pub(super) struct Parts {
    pub(super) header: Header,
    pub(super) claims: Vec<u8>,
    pub(super) input: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Parts {
    pub(super) fn of(text: &str) -> Result<Self, AssertionRefused> {
        use AssertionRefused::{Header as NoHeader, Malformed, Type};
        require(text.len() <= LONGEST, Malformed)?;
        let (input, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, claims) = input.split_once('.').ok_or(Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).or(Err(Malformed));
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header: Header = serde_json::from_slice(&header).or(Err(NoHeader))?;
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        require(kind != TYPE && ["jwt", "client-authentication+jwt"].contains(&kind), Type)?;
        Ok(Self { header, claims, input: input.as_bytes().to_vec(), signature })
    }
}

pub(super) fn require(holds: bool, why: AssertionRefused) -> Result<(), AssertionRefused> {
    holds.then_some(()).ok_or(why)
}

impl Assertion {
    /// Reads it; nothing in it is true yet.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    pub fn read(text: &str) -> Result<Self, AssertionRefused> {
        use AssertionRefused::Claims as NoClaims;
        let Parts { header, claims, input, signature } = Parts::of(text)?;
        let claims: Claims = serde_json::from_slice(&claims).or(Err(NoClaims))?;
        let names_one = claims.iss == claims.sub && (1..=128).contains(&claims.jti.len());
        require(names_one, NoClaims)?;
        Ok(Self { header, claims, input, signature })
    }

    /// The client that it says it is.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.claims.iss
    }

    /// Its name, which is good once.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.claims.jti
    }

    /// Holds all of it to a key of that client.
    ///
    /// # Errors
    /// [`AssertionRefused`].
    pub fn verify(
        &self,
        key: &ClientKey,
        audiences: &[&str],
        now: i64,
    ) -> Result<(), AssertionRefused> {
        use AssertionRefused::{Algorithm, Audience, Expired, Life, NotYetValid, Signature};
        require(self.header.alg == key.algorithm().as_str(), Algorithm)?;
        require(key.signed(&self.input, &self.signature), Signature)?;
        let claims = &self.claims;
        require(audiences.contains(&claims.aud.as_str()), Audience)?;
        let latest = now.saturating_add(LEEWAY_SECONDS);
        // Without `iat` the clock itself is where the life begins.
        let from = claims.iat.unwrap_or(now);
        require(from <= latest && claims.nbf.is_none_or(|nbf| nbf <= latest), NotYetValid)?;
        require(claims.exp > now, Expired)?;
        require(claims.exp.saturating_sub(from) <= LONGEST_LIFE_SECONDS, Life)?;
        require(claims.exp <= latest.saturating_add(LONGEST_LIFE_SECONDS), Life)
    }
}
