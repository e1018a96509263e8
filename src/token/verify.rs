//! Strict validation of access tokens for Pawl's own audience: what a person's calls carry.
//!
//! The library checks the signature. The rest is ours: it lets wrong types, `typ`, `crit` and long
//! lives pass, and reads the system clock.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

use super::keys::KeySet;
use super::{ACR, ALGORITHM, Claims, Header, LONGEST_LIFE_SECONDS, TYPE, issuer};
use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, TokenId, UserId};
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::Kid;

/// No token of ours comes near this many bytes; a longer one is not even decoded.
const LONGEST_TOKEN: usize = 4096;

/// How far another replica's clock may run ahead of this one's.
const LEEWAY_SECONDS: i64 = 5;

/// A person who proved a factor: what a valid token says. Role, state and epoch are still to be
/// compared with the live rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonClaims {
    /// Of the credential: the tenant that everything in this call belongs to.
    pub tenant: TenantId,
    /// `sub`.
    pub user: UserId,
    /// `client_id`: the console where the login happened.
    pub client: ClientId,
    /// `fid`.
    pub factor: FactorId,
    /// The user's epoch at the login.
    pub epoch: i64,
    /// `jti`.
    pub token: TokenId,
    /// When the code was verified, to the second.
    pub auth_time: Timestamp,
    /// `txn`: the event of the verification.
    pub event: EventId,
    /// `kid` of its header: whether it was revoked is still to be asked.
    pub key: Kid,
}

/// Why a token is refused. For the log line only: the caller hears one answer for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token refused: {self:?}")]
pub enum TokenRefused {
    /// Over 4096 bytes.
    TooLong,
    /// Not a compact JWS.
    Malformed,
    /// A header parameter is missing, unknown (`crit`, `jwk`, `jku`, …) or of a wrong type.
    Header,
    /// `alg` is not ES256.
    Algorithm,
    /// `typ` is not `at+jwt`.
    Type,
    /// `kid` names none of the published keys.
    UnknownKey,
    /// The signature does not fit.
    Signature,
    /// A claim is missing, unknown, doubled or of a wrong type.
    Claims,
    /// `iss` is not that of the tenant in `tid`.
    Issuer,
    /// `aud` is not Pawl itself.
    Audience,
    /// `nbf` or `iat` lies ahead, or `auth_time` after `iat`.
    NotYetValid,
    /// `exp` has come.
    Expired,
    /// It lives longer than any token of ours may.
    Life,
    /// `acr` or `amr` does not say that a TOTP code was verified.
    Strength,
}

/// Checks a bearer token for Pawl's own audience: `aud` = `iss` = the issuer of the token's own
/// `tid`.
///
/// # Errors
/// [`TokenRefused`].
pub fn verify_person_token(
    token: &str,
    keys: &KeySet,
    base: &str,
    now: Timestamp,
) -> Result<PersonClaims, TokenRefused> {
    require(token.len() <= LONGEST_TOKEN, TokenRefused::TooLong)?;
    let header = header(token)?;
    let key = keys.find(&header.kid).ok_or(TokenRefused::UnknownKey)?;
    let claims = signed_claims(token, key.decoding())?;
    check(&claims, base, now.seconds())?;
    Ok(PersonClaims {
        tenant: claims.tid,
        user: claims.sub,
        client: claims.client_id,
        factor: claims.fid,
        epoch: claims.epoch,
        token: claims.jti,
        auth_time: Timestamp::from_seconds(claims.auth_time),
        event: claims.txn,
        key: Kid::parse(&header.kid).or(Err(TokenRefused::UnknownKey))?,
    })
}

/// Reads the header by itself: the library's own reading ignores what it does not know.
fn header(token: &str) -> Result<Header, TokenRefused> {
    use TokenRefused::{Algorithm, Malformed, Type};
    let parts: Vec<_> = token.split('.').collect();
    let &[header, _, _] = parts.as_slice() else { return Err(Malformed) };
    let json = URL_SAFE_NO_PAD.decode(header).or(Err(Malformed))?;
    let header: Header = serde_json::from_slice(&json).or(Err(TokenRefused::Header))?;
    // The key has one algorithm; the header is held to it and chooses nothing (RFC 8725 3.1).
    require(header.alg == ALGORITHM, Algorithm)?;
    // RFC 9068 section 4, and RFC 7515 section 4.1.9 on the "application/" that may stand before.
    let kind = header.typ.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    require(kind == TYPE, Type)?;
    Ok(header)
}

/// Verifies the signature, then reads the claims. The library's checks of claims are off.
fn signed_claims(token: &str, key: &DecodingKey) -> Result<Claims, TokenRefused> {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    match decode::<Claims>(token, key, &validation) {
        Ok(data) => Ok(data.claims),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {
            Err(TokenRefused::Signature)
        }
        Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => Err(TokenRefused::Claims),
        Err(_) => Err(TokenRefused::Malformed),
    }
}

fn check(claims: &Claims, base: &str, now: i64) -> Result<(), TokenRefused> {
    use TokenRefused::{Audience, Expired, Issuer, Life, NotYetValid, Strength};
    require(claims.iss == issuer(base, &claims.tid), Issuer)?;
    require(claims.aud == claims.iss, Audience)?;
    let latest = now.saturating_add(LEEWAY_SECONDS);
    let has_begun = claims.nbf <= latest && claims.iat <= latest;
    require(has_begun && claims.auth_time <= claims.iat, NotYetValid)?;
    // No leeway at the end: issuer and validator are one installation, and late is late.
    require(claims.exp > now, Expired)?;
    let life = claims.exp.saturating_sub(claims.iat);
    require(life <= LONGEST_LIFE_SECONDS, Life)?;
    require(claims.acr == ACR, Strength)?;
    require(claims.amr.iter().any(|method| method == "otp"), Strength)
}

fn require(holds: bool, why: TokenRefused) -> Result<(), TokenRefused> {
    holds.then_some(()).ok_or(why)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use serde_json::{Value, json};

    use super::TokenRefused as Why;
    use super::*;
    use crate::token::SigningKey;

    const BASE: &str = "https://mfa.example";
    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://mfa.example/t/ten_01010101010101010101010101010101";
    const TENANT: &str = "ten_02020202020202020202020202020202";
    const CLIENT: &str = "cli_03030303030303030303030303030303";

    struct Forge {
        key: SigningKey,
        keys: KeySet,
    }

    impl Forge {
        fn new() -> Self {
            let key = SigningKey::generate().unwrap().0;
            let keys = KeySet::new(vec![key.public().clone()]).unwrap();
            Self { key, keys }
        }

        fn header(&self) -> Value {
            json!({"alg": "ES256", "typ": "at+jwt", "kid": self.key.public().kid()})
        }

        fn token(&self, header: &str, claims: &str) -> String {
            let input = signing_input(header, claims);
            let signature = URL_SAFE_NO_PAD.encode(self.key.sign(input.as_bytes()).unwrap());
            format!("{input}.{signature}")
        }

        fn good(&self) -> String {
            self.token(&self.header().to_string(), &claims().to_string())
        }

        fn verify(&self, token: &str) -> Result<PersonClaims, Why> {
            verify_person_token(token, &self.keys, BASE, Timestamp::from_seconds(NOW))
        }

        fn refusal(&self, token: &str) -> Option<Why> {
            self.verify(token).err()
        }

        fn with_header(&self, name: &str, value: Value) -> Option<Why> {
            let header = changed(self.header(), name, value);
            self.refusal(&self.token(&header, &claims().to_string()))
        }

        fn with_claim(&self, name: &str, value: Value) -> Option<Why> {
            let claims = changed(claims(), name, value);
            self.refusal(&self.token(&self.header().to_string(), &claims))
        }
    }

    fn signing_input(header: &str, claims: &str) -> String {
        let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}", encode(header), encode(claims))
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "aud": ISSUER, "tid": "ten_01010101010101010101010101010101",
            "sub": "usr_02020202020202020202020202020202",
            "client_id": "cli_03030303030303030303030303030303",
            "iat": NOW, "nbf": NOW, "exp": NOW + 300, "auth_time": NOW,
            "jti": "tok_09090909090909090909090909090909",
            "acr": "urn:pawl:acr:totp", "amr": ["otp"],
            "txn": "evt_05050505050505050505050505050505",
            "fid": "fac_04040404040404040404040404040404", "epoch": 7,
        })
    }

    /// `"absent"` takes the member away.
    fn changed(mut object: Value, name: &str, value: Value) -> String {
        let members = object.as_object_mut().unwrap();
        members.insert(name.to_owned(), value);
        members.retain(|_, value| value != "absent");
        object.to_string()
    }

    #[test]
    fn a_good_token_says_who_and_when() {
        let forge = Forge::new();
        let said = forge.verify(&forge.good()).unwrap();
        let expected = PersonClaims {
            tenant: TenantId::from_random([1; 16]),
            user: UserId::from_random([2; 16]),
            client: ClientId::from_random([3; 16]),
            factor: FactorId::from_random([4; 16]),
            epoch: 7,
            token: TokenId::from_random([9; 16]),
            auth_time: Timestamp::from_seconds(NOW),
            event: EventId::from_random([5; 16]),
            key: Kid::parse(forge.key.public().kid()).unwrap(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn every_header_but_ours_is_refused() {
        let forge = Forge::new();
        let jwk: Value = serde_json::from_str(&forge.key.public().to_json().unwrap()).unwrap();
        for (name, value, why) in [
            ("alg", json!("none"), Why::Algorithm),
            ("alg", json!("HS256"), Why::Algorithm),
            ("alg", json!("es256"), Why::Algorithm),
            ("alg", json!("absent"), Why::Header),
            ("kid", json!("absent"), Why::Header),
            ("kid", json!(null), Why::Header),
            ("kid", json!("unknown"), Why::UnknownKey),
            ("typ", json!("JWT"), Why::Type),
            ("typ", json!("application/application/at+jwt"), Why::Type),
            ("typ", json!("absent"), Why::Header),
            ("crit", json!(["exp"]), Why::Header),
            ("crit", json!(null), Why::Header),
            ("jwk", jwk, Why::Header),
            ("jku", json!("https://evil.example/jwks"), Why::Header),
            ("x5u", json!("https://evil.example/x"), Why::Header),
            ("x5c", json!(["AAAA"]), Why::Header),
        ] {
            let refused = forge.with_header(name, value.clone());
            assert_eq!(refused, Some(why), "{name} {value}");
        }
        for kind in ["AT+JWT", "application/at+jwt", "Application/At+JWT"] {
            assert_eq!(forge.with_header("typ", json!(kind)), None, "{kind}");
        }
    }

    #[test]
    fn every_claim_is_held_to_its_type_and_value() {
        let forge = Forge::new();
        for (name, value, why) in [
            ("aud", json!([ISSUER]), Why::Claims),
            ("aud", json!(5), Why::Claims),
            ("aud", json!(null), Why::Claims),
            ("aud", json!("console"), Why::Audience),
            ("aud", json!(ISSUER.replace("01", "02")), Why::Audience),
            ("iss", json!([ISSUER]), Why::Claims),
            ("iss", json!(5), Why::Claims),
            ("iss", json!(format!("{ISSUER}/")), Why::Issuer),
            ("iss", json!(ISSUER.replace("mfa", "evil")), Why::Issuer),
            ("iss", json!(ISSUER.replace("01", "02")), Why::Issuer),
            ("tid", json!(TENANT), Why::Issuer),
            ("tid", json!("../t"), Why::Claims),
            ("sub", json!(CLIENT), Why::Claims),
            ("acr", json!("urn:other:acr:totp"), Why::Strength),
            ("amr", json!(["pwd", "mfa"]), Why::Strength),
            ("amr", json!("otp"), Why::Claims),
            ("epoch", json!("7"), Why::Claims),
            ("role", json!("admin"), Why::Claims),
        ] {
            let refused = forge.with_claim(name, value.clone());
            assert_eq!(refused, Some(why), "{name} {value}");
        }
        for name in claims().as_object().unwrap().keys() {
            let refused = forge.with_claim(name, json!("absent"));
            assert_eq!(refused, Some(Why::Claims), "{name}");
        }
    }

    #[test]
    fn every_time_is_held_to_our_clock() {
        let forge = Forge::new();
        for (name, value, why) in [
            ("exp", json!(NOW), Why::Expired),
            ("exp", json!(NOW - 6), Why::Expired),
            ("exp", json!(NOW + 901), Why::Life),
            ("exp", json!(i64::MAX), Why::Life),
            ("exp", json!(1_800_000_300.0), Why::Claims),
            ("iat", json!(NOW + 6), Why::NotYetValid),
            ("iat", json!(i64::MIN), Why::NotYetValid),
            ("nbf", json!(NOW + 6), Why::NotYetValid),
            ("auth_time", json!(NOW + 1), Why::NotYetValid),
        ] {
            let refused = forge.with_claim(name, value.clone());
            assert_eq!(refused, Some(why), "{name} {value}");
        }
        assert_eq!(forge.with_claim("nbf", json!(NOW + 5)), None);
        assert_eq!(forge.with_claim("exp", json!(NOW + 1)), None);
        assert_eq!(forge.with_claim("exp", json!(NOW + 900)), None);
    }

    #[test]
    fn a_forged_signature_is_refused() {
        let (forge, stranger) = (Forge::new(), Forge::new());
        let (header, claims) = (forge.header().to_string(), claims().to_string());
        let stolen = stranger.token(&header, &claims);
        assert_eq!(forge.refusal(&stolen), Some(Why::Signature));
        assert_eq!(forge.refusal(&stranger.good()), Some(Why::UnknownKey));

        let public = forge.key.public().decoding().try_get_as_bytes().unwrap();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public);
        for alg in ["HS256", "ES256"] {
            let input = signing_input(&header.replace("ES256", alg), &claims);
            let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, input.as_bytes()));
            assert!(forge.verify(&format!("{input}.{tag}")).is_err(), "{alg}");
        }

        let good = forge.good();
        let (input, signature) = good.rsplit_once('.').unwrap();
        let tampered = signing_input(&header, &claims.replace(":7", ":8"));
        let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
        for (input, signature) in [(&*tampered, signature), (input, &zeros), (input, "")] {
            let refused = forge.refusal(&format!("{input}.{signature}"));
            assert_eq!(refused, Some(Why::Signature), "{input} {signature}");
        }
    }

    #[test]
    fn a_doubled_name_is_refused() {
        let forge = Forge::new();
        let (header, claims) = (forge.header().to_string(), claims().to_string());
        let twice = claims.replacen('{', "{\"epoch\":8,", 1);
        let refused = forge.refusal(&forge.token(&header, &twice));
        assert_eq!(refused, Some(Why::Claims));
        let twice = header.replacen('{', "{\"alg\":\"none\",", 1);
        assert_eq!(forge.refusal(&forge.token(&twice, &claims)), Some(Why::Header));
    }

    #[test]
    fn what_is_no_compact_jws_is_refused() {
        let forge = Forge::new();
        let good = forge.good();
        for bad in ["", "a", "..", "...", "a.b.c", "eyJ.eyJ."] {
            assert!(forge.verify(bad).is_err(), "{bad}");
        }
        for tail in [".", ".AAAA", "=", "AA", " ", "\n", "\0"] {
            assert!(forge.verify(&format!("{good}{tail}")).is_err(), "{tail:?}");
            assert!(forge.verify(&format!("{tail}{good}")).is_err(), "{tail:?}");
        }
        assert_eq!(forge.refusal(&"A".repeat(LONGEST_TOKEN + 1)), Some(Why::TooLong));
    }
}
