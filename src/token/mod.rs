//! Tokens: the one place that makes a JWT, the one that checks one, and the keys of both.

mod assertion;
mod cluster;
mod keys;
mod mint;
mod verify;

use serde::{Deserialize, Serialize};

use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, TokenId, UserId};

pub use assertion::{Assertion, AssertionRefused};
pub use cluster::{ClusterKeys, NoClusterKeys, WorkloadToken};
pub use keys::{KeyError, KeySet, PublicKey, SigningKey};
pub use mint::{AccessToken, MintError, Signer};
pub use verify::{PersonClaims, TokenRefused, verify_person_token};

/// The longest life of a token in seconds, whatever a policy says.
pub const LONGEST_LIFE_SECONDS: i64 = 900;

const ALGORITHM: &str = "ES256";
const TYPE: &str = "at+jwt";
const ACR: &str = "urn:pawl:acr:totp";

/// The issuer of a tenant's tokens, `{base}/t/{tenant}`: also Pawl's own audience there, and the
/// `issuer` of its RFC 8414 metadata. `base` carries no trailing slash.
#[must_use]
pub fn issuer(base: &str, tenant: &TenantId) -> String {
    format!("{base}/t/{tenant}")
}

/// The header, whole: a parameter that is not here (`crit`, `jwk`, `jku`, `x5u`, `x5c`, …) is
/// refused, so no key and no address can come from a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The claims, whole and with their exact types: a list or a number for `iss` or `aud`, a float for
/// a time, an unknown or doubled name do not parse. No personal data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: UserId,
    aud: String,
    client_id: ClientId,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: TokenId,
    tid: TenantId,
    acr: String,
    amr: Vec<String>,
    auth_time: i64,
    txn: EventId,
    fid: FactorId,
    epoch: i64,
}
