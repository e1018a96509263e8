//! Steps 2 to 8: two people enroll and sign in, and another console checks the token.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::screen::{line, show};
use super::story::{AUDIENCE, Phone, Step, Story};
use super::talk::{Answer, By};
use crate::mfa::qr::terminal;

/// In their order.
pub(super) const STEPS: &[Step] = &[
    Step {
        title: "The administrator enrolls and signs in",
        why: "The administrator scanned the otpauth line of the hand-over. The console checked the \
              password and asks Pawl: the answer is enroll, with that very enrollment. Its first code \
              makes the phone the administrator's factor, and a token for Pawl itself follows.",
        play: administrator_enrolls,
        so: "admin is a person to Pawl now: what weakens MFA takes such a person, never a client key",
    },
    Step {
        title: "Ana signs in for the first time and has to enroll",
        why: "Nobody prepared an account for ana, and nobody but ana gets to see her secret: the console \
              shows her the QR code, once, after her own password login.",
        play: ana_begins_to_enroll,
        so: "MFA is required of everybody from the first login on; no administrator holds a copy",
    },
    Step {
        title: "Ana mistypes the code",
        why: "A secret on a phone is no factor before a code proved that the phone has it.",
        play: ana_mistypes,
        so: "refused and counted; the enrollment waits for the right code",
    },
    Step {
        title: "Ana types the right code",
        why: "The code binds the factor. Recovery codes are shown this once, and the login goes on: the \
              console gets a token.",
        play: ana_confirms,
        so: "bound; the code counts as used",
    },
    Step {
        title: "Ana signs in again, and somebody who looked over her shoulder types her code",
        why: "From now on every login of ana is a challenge. Her enrollment code is still on the \
              display, but a code works once.",
        play: used_code_is_refused,
        so: "a replayed code gets the same answer as a wrong one",
    },
    Step {
        title: "Ana types a fresh code and gets a token; the same code again does not",
        why: "The display changes every 30 seconds. The fresh code gives a token; on a new challenge it \
              gives nothing more.",
        play: fresh_code_gives_a_token,
        so: "one code, one token",
    },
    Step {
        title: "Another console checks the token by itself",
        why: "It knows the issuer and its own name, fetches the key set once and needs no Pawl \
              after that: signature, issuer, audience, type and strength are in the token.",
        play: token_is_checked,
        so: "the token is good for that one audience, and says that a password and a code were checked",
    },
];

fn administrator_enrolls(story: &mut Story) -> Result<(), String> {
    let who = story.administrator.clone();
    let answer = story.evaluate(&who, &story.issuer)?.says("/decision", "enroll")?;
    story.administrator_id = answer.text("/user_id")?;
    story.handle = answer.text("/enrollment/handle")?;
    story.read_code(Phone::Administrator)?;
    let answer = confirm(story)?.with(200)?.says("/tokens/0/audience", story.issuer.as_str())?;
    ten_recovery_codes(&answer)?;
    story.talk.administrator_token = answer.text("/tokens/0/access_token")?;
    Ok(())
}

fn confirm(story: &Story) -> Result<Answer, String> {
    let body = json!({ "enrollment": story.handle, "code": story.code });
    story.talk.post("confirmEnrollment", "/v1/enrollments/confirm", By::Console, &body)
}

fn ten_recovery_codes(answer: &Answer) -> Result<(), String> {
    match answer.list("/recovery_codes").len() {
        10 => Ok(()),
        other => Err(format!("expected ten recovery codes, not {other}")),
    }
}

fn ana_begins_to_enroll(story: &mut Story) -> Result<(), String> {
    let challenge = story.ana_signs_in("enroll")?.text("/challenge/handle")?;
    let body = json!({ "challenge": challenge });
    let answer = story.talk.post("beginEnrollment", "/v1/enrollments", By::Console, &body)?;
    let answer = answer.with(201)?;
    story.handle = answer.text("/enrollment")?;
    let uri = answer.text("/otpauth_uri")?;
    story.ana_phone = Some(Authenticator::scan(&uri)?);
    let picture = terminal(&uri).map_err(|error| error.to_string())?;
    line(picture.expose().trim_end())?;
    line(&format!("  {uri}"))?;
    story.screen.remark("Ana scans it with any authenticator app; so could you.")
}

fn ana_mistypes(story: &mut Story) -> Result<(), String> {
    let phone = story.ana_phone.as_ref().ok_or("expected ana to have a phone")?;
    story.code = phone.wrong(story.waiting.now());
    confirm(story)?.refused(422, "code-rejected")?;
    Ok(())
}

fn ana_confirms(story: &mut Story) -> Result<(), String> {
    story.read_code(Phone::Ana)?;
    let answer = confirm(story)?.with(200)?.says("/tokens/0/audience", AUDIENCE)?;
    ten_recovery_codes(&answer)
}

fn used_code_is_refused(story: &mut Story) -> Result<(), String> {
    story.ana_is_challenged()?;
    story.verify()?.refused(422, "code-rejected")?;
    Ok(())
}

fn fresh_code_gives_a_token(story: &mut Story) -> Result<(), String> {
    // The challenge of the step before lives on: a wrong code does not end it.
    story.read_code(Phone::Ana)?;
    story.verified()?;
    story.screen.remark("Another login, the same code:")?;
    story.ana_is_challenged()?;
    story.verify()?.refused(422, "code-rejected")?;
    Ok(())
}

fn token_is_checked(story: &mut Story) -> Result<(), String> {
    let keys = fetch_keys(story)?;
    let token = checked(&story.token, &keys, &story.issuer, AUDIENCE)?;
    story.screen.remark("What the token says:")?;
    show(&json!(token.header))?;
    show(&token.claims)?;
    let claims = [
        ("iss", json!(story.issuer)),
        ("aud", json!(AUDIENCE)),
        ("sub", json!(story.ana_id)),
        ("acr", json!("urn:pawl:acr:totp")),
        ("amr", json!(["pwd", "otp", "mfa"])),
    ];
    for (name, expected) in claims {
        let found = token.claims.get(name).unwrap_or(&Value::Null);
        if *found != expected {
            return Err(format!("expected the claim {name} to be {expected}, but it was {found}"));
        }
    }
    match checked(&story.token, &keys, &story.issuer, "payroll") {
        Err(error) if error.contains("InvalidAudience") => {}
        _ => return Err("expected payroll to refuse a token for another audience".to_owned()),
    }
    story.screen.remark("A third console, with the audience payroll, refuses the same token.")
}

/// From the issuer to its metadata (RFC 8414), to the key set.
fn fetch_keys(story: &Story) -> Result<JwkSet, String> {
    let tenant = story.issuer.rsplit('/').next().unwrap_or_default();
    let path = format!("/.well-known/oauth-authorization-server/t/{tenant}");
    let metadata = story.talk.get("getServerMetadata", &path, By::Anyone)?.with(200)?;
    let metadata = metadata.says("/issuer", story.issuer.as_str())?;
    let place = metadata.text("/jwks_uri")?;
    let path = story.talk.path_of(&place)?;
    let keys = story.talk.get("getJwks", path, By::Anyone)?.with(200)?;
    serde_json::from_value(keys.at("").clone())
        .map_err(|error| format!("expected a JSON Web Key Set: {error}"))
}

/// As any consumer of RFC 9068 tokens does it.
fn checked(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    audience: &str,
) -> Result<TokenData<Value>, String> {
    let wrong = |error: jsonwebtoken::errors::Error| format!("expected a good token: {error}");
    let header = decode_header(token).map_err(wrong)?;
    if header.typ.as_deref() != Some("at+jwt") {
        return Err(format!("expected typ at+jwt, but it was {:?}", header.typ));
    }
    let kid = header.kid.unwrap_or_default();
    let key = keys.find(&kid).ok_or_else(|| format!("expected the key {kid} in the key set"))?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
    rules.validate_nbf = true;
    rules.leeway = 5;
    decode(token, &DecodingKey::from_jwk(key).map_err(wrong)?, &rules).map_err(wrong)
}
