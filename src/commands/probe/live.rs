//! Tokens of the real Pawl, which the operator got by logging in: they are read from files, and held
//! to what they are said to be, so that a refusal is one for the right reason.

use std::io::Read as _;
use std::path::Path;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use super::Files;
use super::console::Came;
use super::good::Good;
use super::report::Row;
use super::specimens::Specimen;

/// What the files hold.
pub(super) struct Live {
    pub(super) good: Good,
    /// The public point of the key that signed it.
    pub(super) point: Vec<u8>,
    /// Truly signed, and to be refused.
    pub(super) genuine: Vec<Specimen>,
    /// What there was no file for.
    pub(super) unsent: Vec<Row>,
}

/// A kind of token that only Pawl can make.
struct Kind<'a> {
    name: &'static str,
    rule: u8,
    reason: &'static str,
    flag: &'static str,
    path: Option<&'a Path>,
    /// What must be true of it, given its claims and the good one's.
    holds: fn(&Value, &Value, i64) -> bool,
}

/// Reads the files.
///
/// # Errors
/// One cannot be read, or is not what it is said to be.
pub(super) fn read(files: &Files, key_set: Value, now: i64) -> Result<Live, String> {
    let key_set: JwkSet =
        serde_json::from_value(key_set).map_err(|error| format!("the key set: {error}"))?;
    let path = files.token_file.as_deref().ok_or("--token-file is missing")?;
    let (good, key) = genuine(path, &key_set)?;
    if !lives(&good.claims, now) {
        return Err(format!("{}: the token's time is over: get a new one", path.display()));
    }
    let point = key.try_get_as_bytes().map_err(|error| error.to_string())?.to_vec();
    let mut live = Live { good, point, genuine: Vec::new(), unsent: Vec::new() };
    for kind in kinds(files) {
        match kind.path {
            Some(path) => live.genuine.push(kind.specimen(path, &live.good, &key_set, now)?),
            None => live.unsent.push(kind.unsent()),
        }
    }
    if let Some(path) = &files.challenge_file {
        let token = secret(path)?;
        if !token.starts_with("mch_") {
            return Err(format!("{}: a challenge's handle begins with mch_", path.display()));
        }
        let reason = "A challenge that waits for its code is no token.";
        live.genuine.push(Specimen { name: "challenge", rule: 3, reason, token });
    }
    Ok(live)
}

fn kinds(files: &Files) -> [Kind<'_>; 3] {
    [
        Kind {
            name: "expired",
            rule: 6,
            reason: "Its time is over.",
            flag: "--expired-file",
            path: files.expired_file.as_deref(),
            holds: |it, good, now| {
                // Consoles allow a minute for clocks that differ.
                it["iss"] == good["iss"] && it["aud"] == good["aud"] && !lives(it, now - 61)
            },
        },
        Kind {
            name: "aud-other",
            rule: 5,
            reason: "It is for another console.",
            flag: "--other-audience-file",
            path: files.other_audience_file.as_deref(),
            holds: |it, good, now| {
                it["iss"] == good["iss"] && it["aud"] != good["aud"] && lives(it, now)
            },
        },
        Kind {
            name: "other-tenant",
            rule: 4,
            reason: "Another tenant's, whole.",
            flag: "--other-tenant-file",
            path: files.other_tenant_file.as_deref(),
            holds: |it, good, now| {
                it["iss"] != good["iss"] && it["aud"] == good["aud"] && lives(it, now)
            },
        },
    ]
}

impl Kind<'_> {
    fn specimen(
        &self,
        path: &Path,
        good: &Good,
        set: &JwkSet,
        now: i64,
    ) -> Result<Specimen, String> {
        let (it, _) = genuine(path, set)?;
        if !(self.holds)(&it.claims, &good.claims, now) {
            let path = path.display();
            return Err(format!("{path}: {} wants a token that differs in this alone", self.flag));
        }
        let Self { name, rule, reason, .. } = *self;
        Ok(Specimen { name, rule, reason, token: it.token })
    }

    fn unsent(&self) -> Row {
        Row {
            name: self.name,
            rule: self.rule,
            about: self.reason,
            expected: Came::Refused,
            came: None,
            status: None,
            next: Some(format!("give it by {}, or use --stand-in", self.flag)),
        }
    }
}

fn lives(claims: &Value, now: i64) -> bool {
    claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp > now)
}

/// A token that a published key signed.
fn genuine(path: &Path, set: &JwkSet) -> Result<(Good, DecodingKey), String> {
    let told = |why: &str| format!("{}: {why}", path.display());
    let good = Good::read(&secret(path)?).ok_or_else(|| told("it is no token"))?;
    let kid = good.header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let jwk = set.find(kid).ok_or_else(|| told("its key is not in the key set"))?;
    let key = DecodingKey::from_jwk(jwk).map_err(|error| told(&error.to_string()))?;
    let mut signature = Validation::new(Algorithm::ES256);
    signature.required_spec_claims.clear();
    (signature.validate_exp, signature.validate_aud) = (false, false);
    decode::<Value>(&good.token, &key, &signature).map_err(|error| told(&error.to_string()))?;
    Ok((good, key))
}

/// What a file holds, or standard input for `-`; never an argument, which others could read.
fn secret(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|content| text = content)
    };
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}
