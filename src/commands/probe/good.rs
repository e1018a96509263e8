//! The token that a console must take, in its parts: what others are derived from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::forger::Forger;

/// A good token in its parts.
pub(super) struct Good {
    /// The whole of it.
    pub(super) token: String,
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) signature: Vec<u8>,
    /// What is signed.
    pub(super) input: String,
}

impl Good {
    /// Takes it apart, and believes nothing.
    pub(super) fn read(token: &str) -> Option<Self> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            token: token.to_owned(),
            header: json(header)?,
            claims: json(claims)?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            input: input.to_owned(),
        })
    }

    /// The signing input with a blank more in the header: the same JSON in other bytes.
    pub(super) fn respaced(&self) -> String {
        let header = self.header.to_string().replacen('{', "{ ", 1);
        let claims = self.input.split_once('.').map(|(_, claims)| claims).unwrap_or_default();
        format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header))
    }
}

/// Where the probe stands in for Pawl, and what it says there.
pub(super) struct StandIn {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) subject: String,
    /// Tells the tokens of this run apart: a console may take each only once.
    pub(super) count: std::cell::Cell<u32>,
}

impl StandIn {
    /// A token of the last ten seconds, as Pawl writes them, signed with the key of this run.
    pub(super) fn good(&self, key: &Forger, now: i64) -> Result<Good, String> {
        let id = |kind: &str, number: u32| format!("{kind}_{number:032x}");
        self.count.set(self.count.get().saturating_add(1));
        let (begun, tenant) = (now - 10, self.issuer.rsplit('/').next());
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": key.kid });
        let claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience, "tid": tenant,
            "client_id": id("cli", 4), "jti": id("tok", self.count.get()), "txn": id("evt", 6),
            "fid": id("fac", 7), "iat": begun, "nbf": begun, "exp": now + 290, "auth_time": begun,
            "acr": "urn:pawl:acr:totp", "amr": ["pwd", "otp", "mfa"], "epoch": 3,
        });
        let token = key.token(&header, &claims)?;
        Good::read(&token).ok_or_else(|| "a forged token could not be read".to_owned())
    }
}
