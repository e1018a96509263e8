//! A validator that is right, but for a fault by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A fault, and what it lets in. `NAME broken` is answered with 500, `NAME followed` fetches an address.
pub const FAULTS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("no-token", &["no-token"]),
    ("good-again", &["good-again refused"]),
    ("alg-none", &["alg-none"]),
    ("alg-none-mixed-case", &["alg-none-mixed-case"]),
    ("alg-none-signed", &["alg-none-signed"]),
    ("alg-lower-case", &["alg-lower-case"]),
    ("alg-missing", &["alg-missing"]),
    ("alg-hs256-pem", &["alg-hs256-pem"]),
    ("alg-hs256-point", &["alg-hs256-point"]),
    ("kid-path", &["kid-path"]),
    ("kid-unknown", &["kid-unknown"]),
    ("kid-missing", &["kid-missing"]),
    ("jwk-inside", &["jwk-inside"]),
    ("jku-inside", &["jku-inside"]),
    ("jku-followed", &["jku-inside followed"]),
    ("x5u-inside", &["x5u-inside"]),
    ("crit-unknown", &["crit-unknown"]),
    ("typ-missing", &["typ-missing"]),
    ("typ-jwt", &["typ-jwt"]),
    ("typ-event", &["typ-event"]),
    (
        "signature-unread",
        &[
            "payload-altered",
            "header-altered",
            "signature-bit",
            "signature-of-another",
            "signature-empty",
            "signature-short",
            "signature-zero",
            "signature-der",
        ],
    ),
    ("signature-empty", &["signature-empty"]),
    ("signature-short", &["signature-short"]),
    ("signature-zero", &["signature-zero"]),
    ("signature-der", &["signature-der"]),
    ("header-respelled", &["header-altered"]),
    ("handle", &["handle"]),
    ("handle-breaks", &["handle broken"]),
    ("other-tenant", &["other-tenant"]),
    ("iss-unread", &["iss-other-tenant", "iss-slash", "iss-list", "iss-missing"]),
    ("iss-slash", &["iss-slash"]),
    ("iss-list", &["iss-list"]),
    ("iss-missing", &["iss-missing"]),
    ("tid-unread", &["tid-other-tenant"]),
    ("aud-other", &["aud-other"]),
    ("aud-longer", &["aud-longer"]),
    ("aud-list", &["aud-list"]),
    ("aud-missing", &["aud-missing"]),
    ("sub-missing", &["sub-missing"]),
    ("sub-list", &["sub-list"]),
    ("expired", &["expired"]),
    ("exp-missing", &["exp-missing"]),
    ("exp-text", &["exp-text"]),
    ("exp-far", &["exp-far"]),
    ("nbf-ahead", &["nbf-ahead"]),
    ("iat-ahead", &["iat-ahead"]),
    ("iat-missing", &["iat-missing"]),
    ("auth-time-ahead", &["auth-time-ahead"]),
    ("auth-time-missing", &["auth-time-missing"]),
    ("acr-missing", &["acr-missing"]),
    ("acr-other", &["acr-other"]),
    ("amr-without-otp", &["amr-without-otp"]),
    ("amr-text", &["amr-text"]),
    ("epoch-missing", &["epoch-missing"]),
    ("epoch-text", &["epoch-text"]),
];

/// What the console does.
pub enum Verdict {
    Opens,
    Refuses,
    Breaks,
}

/// A console's validator.
pub struct Validator {
    /// What is wrong with it.
    pub fault: &'static str,
    /// Whose tokens it takes.
    pub issuer: String,
    /// Where that Pawl is.
    pub base: String,
    /// How often the page opened.
    pub opened: Arc<AtomicUsize>,
}

/// A compact JWS, taken apart.
struct Parts<'a> {
    header: Value,
    claims: Value,
    input: &'a str,
    signature: Vec<u8>,
}

impl Validator {
    /// Judges what a request shows.
    pub fn verdict(&self, token: Option<&str>) -> Verdict {
        let opens = match token {
            None => self.has("no-token"),
            Some(token) if token.starts_with("mch_") => {
                if self.has("handle-breaks") {
                    return Verdict::Breaks;
                }
                self.has("handle")
            }
            Some(token) => parts(token).is_some_and(|token| {
                self.claims_are_right(&token.claims) && self.is_signed(&token)
            }),
        };
        let once = self.has("good-again") && self.opened.load(Ordering::Relaxed) > 0;
        if opens && !once { Verdict::Opens } else { Verdict::Refuses }
    }

    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn is_signed(&self, token: &Parts<'_>) -> bool {
        let Parts { header, input, signature, .. } = token;
        let issuer = format!("{}/t/ten_{:032x}", self.base, 1);
        let metadata = fetched(&format!("{issuer}/.well-known/openid-configuration"));
        let key = &fetched(metadata["jwks_uri"].as_str().unwrap())["keys"][0];
        let own = point(key);
        let right = verified(&ECDSA_P256_SHA256_FIXED, &own, input, signature);
        let (alg, kid) = (header["alg"].as_str(), header["kid"].as_str());
        let few = header.as_object().unwrap().len() == 3;
        let ours = few && alg == Some("ES256") && kid == key["kid"].as_str();
        let strict = ours && header["typ"] == "at+jwt";
        let none = alg.is_some_and(|alg| alg.eq_ignore_ascii_case("none"));
        let hs256 = |secret: &[u8]| {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
            alg == Some("HS256") && hmac::verify(&secret, input.as_bytes(), signature).is_ok()
        };
        let by = |key: &Value| verified(&ECDSA_P256_SHA256_FIXED, &point(key), input, signature);
        strict && right
            || match self.fault {
                "alg-none" => alg == Some("none") && signature.is_empty(),
                "alg-none-mixed-case" => none && alg != Some("none"),
                "alg-none-signed" => none && right,
                "alg-lower-case" => alg == Some("es256") && right,
                "alg-missing" => alg.is_none() && right,
                "alg-hs256-pem" => hs256(pem(&own).as_bytes()),
                "alg-hs256-point" => hs256(&own),
                "kid-path" => kid.is_some_and(|kid| kid.ends_with("/dev/null")) && hs256(b""),
                "kid-unknown" => few && alg == Some("ES256") && kid != key["kid"].as_str(),
                "kid-missing" => kid.is_none() && right,
                "jwk-inside" => header["jwk"].is_object() && by(&header["jwk"]),
                "jku-inside" => {
                    header["jku"].as_str().is_some_and(|jku| by(&fetched(jku)["keys"][0]))
                }
                "jku-followed" => header["jku"].as_str().is_some_and(|jku| fetched(jku).is_null()),
                "x5u-inside" => header["x5u"].is_string(),
                "crit-unknown" => header["crit"].is_array() && right,
                "typ-missing" => header["typ"].is_null() && right,
                "typ-jwt" => header["typ"] == "JWT" && right,
                "typ-event" => header["typ"] == "secevent+jwt" && right,
                "signature-unread" => strict,
                "signature-empty" => strict && signature.is_empty(),
                "signature-short" => strict && signature.len() == 63,
                "signature-zero" => strict && signature == &[0; 64],
                "signature-der" => {
                    strict && verified(&ECDSA_P256_SHA256_ASN1, &own, input, signature)
                }
                "header-respelled" => {
                    let header = URL_SAFE_NO_PAD.encode(header.to_string());
                    let input = format!("{header}.{}", input.split_once('.').unwrap().1);
                    strict && verified(&ECDSA_P256_SHA256_FIXED, &own, &input, signature)
                }
                _ => false,
            }
    }

    fn claims_are_right(&self, claims: &Value) -> bool {
        self.whose(claims) && self.when(claims) && self.how(claims)
    }

    fn whose(&self, claims: &Value) -> bool {
        let (iss, aud) = (&claims["iss"], &claims["aud"]);
        let tenant = self.issuer.rsplit('/').next().unwrap();
        let of_tenant = |name: &str| *iss == format!("{}/t/{name}", self.base);
        let right_tenant = match self.fault {
            "other-tenant" => claims["tid"].as_str().is_some_and(of_tenant),
            "iss-unread" => claims["tid"] == tenant,
            "tid-unread" => *iss == self.issuer,
            fault => {
                claims["tid"] == tenant
                    && (*iss == self.issuer
                        || match fault {
                            "iss-slash" => *iss == format!("{}/", self.issuer),
                            "iss-list" => iss[0] == self.issuer,
                            "iss-missing" => iss.is_null(),
                            _ => false,
                        })
            }
        };
        let right_audience = *aud == "console"
            || match self.fault {
                "aud-other" => *aud == "urn:pawl:probe",
                "aud-longer" => aud.as_str().is_some_and(|aud| aud.starts_with("console")),
                "aud-list" => aud[0] == "console",
                "aud-missing" => aud.is_null(),
                _ => false,
            };
        let sub = &claims["sub"];
        let right_subject = sub.is_string()
            || self.has("sub-missing") && sub.is_null()
            || self.has("sub-list") && sub.is_array();
        right_tenant && right_audience && right_subject
    }

    fn when(&self, claims: &Value) -> bool {
        let now = jiff::Timestamp::now().as_second();
        let mut exp = claims["exp"].as_i64();
        if self.has("exp-missing") && claims["exp"].is_null() {
            exp = Some(now + 1);
        } else if self.has("exp-text") {
            exp = exp.or_else(|| claims["exp"].as_str()?.parse().ok());
        }
        let mut iat = claims["iat"].as_i64();
        if self.has("iat-missing") {
            iat = iat.or(claims["nbf"].as_i64());
        }
        let mut login = claims["auth_time"].as_i64();
        if self.has("auth-time-missing") {
            login = login.or(iat);
        }
        let (Some(exp), Some(iat), Some(login)) = (exp, iat, login) else { return false };
        (exp > now || self.has("expired"))
            && (exp - iat <= 900 || self.has("exp-far"))
            && (claims["nbf"].as_i64().is_some_and(|nbf| nbf <= now + 5) || self.has("nbf-ahead"))
            && (iat <= now + 5 || self.has("iat-ahead"))
            && (login <= iat || self.has("auth-time-ahead"))
    }

    fn how(&self, claims: &Value) -> bool {
        let (strength, methods, epoch) = (&claims["acr"], &claims["amr"], &claims["epoch"]);
        let is_strong = *strength == "urn:pawl:acr:totp"
            || self.has("acr-missing") && strength.is_null()
            || self.has("acr-other") && strength.is_string();
        let has_code = methods.as_array().is_some_and(|list| {
            list.iter().any(|method| method == "otp") || self.has("amr-without-otp")
        }) || self.has("amr-text")
            && methods.as_str().is_some_and(|text| text.contains("otp"));
        let has_epoch = epoch.is_i64()
            || self.has("epoch-missing") && epoch.is_null()
            || self.has("epoch-text") && epoch.is_string();
        is_strong && has_code && has_epoch
    }
}

fn parts(token: &str) -> Option<Parts<'_>> {
    let (input, signature) = token.rsplit_once('.')?;
    let (header, claims) = input.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let json = |part: &str| serde_json::from_slice(&decode(part)?).ok();
    Some(Parts {
        header: json(header)?,
        claims: json(claims)?,
        input,
        signature: decode(signature)?,
    })
}

fn fetched(url: &str) -> Value {
    ureq::get(url).call().unwrap().body_mut().read_json().unwrap_or_default()
}

fn point(jwk: &Value) -> Vec<u8> {
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    [vec![4], number("x"), number("y")].concat()
}

fn verified(
    how: &'static dyn VerificationAlgorithm,
    key: &[u8],
    input: &str,
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(how, key).verify(input.as_bytes(), signature).is_ok()
}

/// `openssl ec -pubin` writes the same.
fn pem(point: &[u8]) -> String {
    let head = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
    let text = STANDARD.encode([&head[..26], point].concat());
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &text[..64],
        &text[64..]
    )
}
