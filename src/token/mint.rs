//! The only place in the program that makes a JWT.
//!
//! It takes a committed proof, and the proof itself can be had in one way only:
//!
//! ```
//! use pawl::{mfa::factor::VerifiedFactor, store::Committed, token::Signer};
//! fn mint(signer: &Signer, proof: Committed<VerifiedFactor>) { let _ = signer.mint(proof); }
//! ```
//! ```compile_fail,E0308
//! use pawl::{mfa::factor::VerifiedFactor, token::Signer};
//! fn uncommitted(signer: &Signer, proof: VerifiedFactor) { let _ = signer.mint(proof); }
//! ```
//! ```compile_fail,E0308
//! use pawl::{mfa::factor::Matched, store::Committed, token::Signer};
//! fn unspent(signer: &Signer, code: Committed<Matched<u32>>) { let _ = signer.mint(code); }
//! ```
//! ```compile_fail,E0624
//! use pawl::{mfa::factor::Login, token::Signer};
//! fn around(signer: &Signer, login: &Login) { let _ = signer.tokens(login); }
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::keys::{KeyError, SigningKey};
use super::{ACR, ALGORITHM, Claims, Header, LONGEST_LIFE_SECONDS, TYPE, issuer};
use crate::mfa::factor::{Grant, Login, PrimaryMethod, VerifiedFactor};
use crate::mfa::ids::TokenId;
use crate::mfa::time::Timestamp;
use crate::mfa::words::Audience;
use crate::store::Committed;

/// How far a validator's clock may be behind for `nbf`, which many hold to their clock without a leeway.
const BEHIND_SECONDS: i64 = 5;

/// A proof was good, but its token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The grant's life is not between 1 second and [`LONGEST_LIFE_SECONDS`].
    #[error("a token's life must be between 1 and {LONGEST_LIFE_SECONDS} seconds")]
    Life,
    /// The header or the claims could not be written.
    #[error("the token could not be written")]
    Written(#[from] serde_json::Error),
    /// The key that must sign is not at hand.
    #[error("the key that must sign is not at hand")]
    NoKey,
    /// The key did not sign.
    #[error("the token could not be signed")]
    Signed(#[source] KeyError),
}

/// A token, ready to be handed to the console that asked for it. Its text is wiped when dropped.
pub struct AccessToken {
    text: Zeroizing<String>,
    /// Its `aud`.
    pub audience: Audience,
    /// Its `exp`, a whole second.
    pub expires_at: Timestamp,
    /// Its `jti`.
    pub id: TokenId,
}

impl AccessToken {
    /// The compact JWS, a bearer secret: for the one response that hands it over.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys at hand, and the name that they sign under. Which one signs is the proof's to say: the
/// transaction read it, so no server signs with a key that it only believes to be active (R-091).
pub struct Signer {
    keys: Vec<SigningKey>,
    base_url: String,
}

impl Signer {
    /// Signs as `{base_url}/t/{tenant}`; `base_url` carries no trailing slash.
    #[must_use]
    pub fn new(keys: Vec<SigningKey>, base_url: String) -> Self {
        Self { keys, base_url }
    }

    /// Whether the key that a proof asks for is at hand.
    #[must_use]
    pub fn can_sign(&self, proof: &VerifiedFactor) -> bool {
        self.key_of(proof.login()).is_some()
    }

    fn key_of(&self, login: &Login) -> Option<&SigningKey> {
        let kid = login.key.as_ref()?.as_str();
        self.keys.iter().find(|key| key.public().kid() == kid)
    }

    /// Makes one RFC 9068 access token for each grant of a login whose verification was committed
    /// (R-077), in the order of the grants; none for an act. All or nothing.
    ///
    /// # Errors
    /// [`MintError`]; then no token leaves, and the code stays spent.
    pub fn mint(&self, proof: Committed<VerifiedFactor>) -> Result<Vec<AccessToken>, MintError> {
        self.tokens(proof.into_inner().login())
    }

    fn tokens(&self, login: &Login) -> Result<Vec<AccessToken>, MintError> {
        login.grants.iter().map(|grant| self.token(login, grant)).collect()
    }

    fn token(&self, login: &Login, grant: &Grant) -> Result<AccessToken, MintError> {
        let claims = self.claims(login, grant)?;
        let key = self.key_of(login).ok_or(MintError::NoKey)?;
        Ok(AccessToken {
            text: Zeroizing::new(sign(key, &claims)?),
            audience: grant.audience.clone(),
            expires_at: Timestamp::from_seconds(claims.exp),
            id: claims.jti,
        })
    }

    fn claims(&self, login: &Login, grant: &Grant) -> Result<Claims, MintError> {
        let (verified_at, life) = (login.at.seconds(), grant.ttl.as_seconds_up());
        if !(1..=LONGEST_LIFE_SECONDS).contains(&life) {
            return Err(MintError::Life);
        }
        Ok(Claims {
            iss: issuer(&self.base_url, &login.tenant),
            sub: login.user.clone(),
            aud: grant.audience.as_str().to_owned(),
            client_id: login.client.clone(),
            iat: verified_at,
            nbf: verified_at.saturating_sub(BEHIND_SECONDS),
            exp: verified_at.saturating_add(life),
            jti: grant.token.clone(),
            tid: login.tenant.clone(),
            acr: ACR.to_owned(),
            amr: methods(login.primary.method).iter().map(|&word| word.to_owned()).collect(),
            auth_time: verified_at,
            txn: login.event.clone(),
            fid: login.factor.clone(),
            epoch: login.epoch,
        })
    }
}

/// RFC 8176: `pwd` and `mfa` only where the console vouched for a password (R-086).
fn methods(primary: PrimaryMethod) -> &'static [&'static str] {
    match primary {
        PrimaryMethod::Password => &["pwd", "otp", "mfa"],
        PrimaryMethod::Federated | PrimaryMethod::Other => &["otp"],
    }
}

/// A compact JWS (RFC 7515 section 7.1). Not `jsonwebtoken::encode`: it parses the private key anew
/// at each call, and so copies it over the heap; the kept key object does neither.
fn sign(key: &SigningKey, claims: &Claims) -> Result<String, MintError> {
    let header = Header {
        alg: ALGORITHM.to_owned(),
        typ: TYPE.to_owned(),
        kid: key.public().kid().to_owned(),
    };
    let mut token = format!("{}.{}", part(&header)?, part(claims)?);
    let signature = key.sign(token.as_bytes()).map_err(MintError::Signed)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn part(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mfa::factor::Primary;
    use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, UserId};
    use crate::mfa::time::Span;
    use crate::mfa::token_key::Kid;
    use crate::token::{KeySet, TokenRefused, verify_person_token};

    const BASE: &str = "https://mfa.example";
    const NOW: i64 = 1_800_000_000;

    fn login(signer: &Signer, method: PrimaryMethod, grants: Vec<Grant>) -> Login {
        Login {
            tenant: TenantId::from_random([1; 16]),
            user: UserId::from_random([2; 16]),
            client: ClientId::from_random([3; 16]),
            factor: FactorId::from_random([4; 16]),
            epoch: 7,
            event: EventId::from_random([5; 16]),
            at: Timestamp::from_millis(NOW * 1000 + 999),
            primary: Primary { method, at: Timestamp::from_seconds(NOW - 60) },
            grants,
            key: Some(Kid::parse(kid(signer)).unwrap()),
        }
    }

    fn kid(signer: &Signer) -> &str {
        signer.keys[0].public().kid()
    }

    fn grant(audience: &str, id: u8, ttl: Span) -> Grant {
        let token = TokenId::from_random([id; 16]);
        Grant { audience: Audience::parse(audience).unwrap(), token, ttl }
    }

    fn signer() -> Signer {
        let key = || SigningKey::generate().unwrap().0;
        Signer::new(vec![key(), key()], BASE.to_owned())
    }

    fn read(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn header_and_claims_are_exactly_those_of_the_design() {
        let signer = signer();
        let login =
            login(&signer, PrimaryMethod::Password, vec![grant("console", 9, Span::seconds(300))]);
        let tokens = signer.tokens(&login).unwrap();
        let parts: Vec<_> = tokens[0].expose().split('.').collect();
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid(&signer)});
        assert_eq!(read(parts[0]), header);
        let claims = json!({
            "iss": "https://mfa.example/t/ten_01010101010101010101010101010101",
            "sub": "usr_02020202020202020202020202020202",
            "aud": "console",
            "client_id": "cli_03030303030303030303030303030303",
            "iat": NOW, "nbf": NOW - 5, "exp": NOW + 300,
            "jti": "tok_09090909090909090909090909090909",
            "tid": "ten_01010101010101010101010101010101",
            "acr": "urn:pawl:acr:totp",
            "amr": ["pwd", "otp", "mfa"],
            "auth_time": NOW,
            "txn": "evt_05050505050505050505050505050505",
            "fid": "fac_04040404040404040404040404040404",
            "epoch": 7,
        });
        assert_eq!(read(parts[1]), claims);
        assert_eq!(tokens[0].expires_at, Timestamp::from_seconds(NOW + 300));
    }

    #[test]
    fn one_token_for_each_grant_and_none_for_an_act() {
        let signer = signer();
        let grants = vec![grant("a", 1, Span::seconds(60)), grant("b", 2, Span::seconds(900))];
        let tokens = signer.tokens(&login(&signer, PrimaryMethod::Other, grants.clone())).unwrap();
        let made: Vec<_> = tokens.iter().map(|t| (t.audience.clone(), t.id.clone())).collect();
        let asked: Vec<_> = grants.into_iter().map(|g| (g.audience, g.token)).collect();
        assert_eq!(made, asked);
        assert!(signer.tokens(&login(&signer, PrimaryMethod::Other, vec![])).unwrap().is_empty());
    }

    #[test]
    fn the_key_that_the_transaction_read_signs_or_none() {
        let signer = signer();
        let second = Kid::parse(signer.keys[1].public().kid()).unwrap();
        let grants = vec![grant("a", 1, Span::seconds(60))];
        let mut login = login(&signer, PrimaryMethod::Other, grants);
        login.key = Some(second.clone());
        let token = signer.tokens(&login).unwrap().remove(0);
        assert_eq!(read(token.expose().split('.').next().unwrap())["kid"], second.as_str());
        let unheard = SigningKey::generate().unwrap().0;
        for key in [None, Some(Kid::parse(unheard.public().kid()).unwrap())] {
            login.key = key;
            assert!(matches!(signer.tokens(&login), Err(MintError::NoKey)));
        }
    }

    #[test]
    fn only_a_password_makes_two_factors() {
        assert_eq!(methods(PrimaryMethod::Password), ["pwd", "otp", "mfa"]);
        assert_eq!(methods(PrimaryMethod::Federated), ["otp"]);
        assert_eq!(methods(PrimaryMethod::Other), ["otp"]);
    }

    #[test]
    fn a_life_out_of_bounds_makes_no_token_at_all() {
        let (signer, good) = (signer(), grant("a", 1, Span::seconds(60)));
        for ttl in [Span::seconds(0), Span::seconds(-1), Span::seconds(901), Span::hours(24)] {
            let login =
                login(&signer, PrimaryMethod::Other, vec![good.clone(), grant("b", 2, ttl)]);
            assert!(matches!(signer.tokens(&login), Err(MintError::Life)), "{ttl:?}");
        }
    }

    #[test]
    fn our_own_validator_takes_it_and_only_for_our_own_audience() {
        let signer = signer();
        let keys = KeySet::new(vec![signer.keys[0].public().clone()]).unwrap();
        let own = issuer(BASE, &TenantId::from_random([1; 16]));
        let grants =
            vec![grant(&own, 1, Span::seconds(900)), grant("console", 2, Span::seconds(900))];
        let tokens = signer.tokens(&login(&signer, PrimaryMethod::Federated, grants)).unwrap();
        let now = Timestamp::from_seconds(NOW);
        let claims = verify_person_token(tokens[0].expose(), &keys, BASE, now).unwrap();
        assert_eq!(claims.token, tokens[0].id);
        let other = verify_person_token(tokens[1].expose(), &keys, BASE, now);
        assert_eq!(other, Err(TokenRefused::Audience));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let signer = signer();
        let login = login(&signer, PrimaryMethod::Other, vec![grant("a", 1, Span::seconds(60))]);
        let token = signer.tokens(&login).unwrap().remove(0);
        let shown = format!("{token:?}");
        assert!(token.expose().split('.').all(|part| !shown.contains(part)));
    }
}
