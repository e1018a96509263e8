//! What a console must refuse: each token with the rule of docs/validating-tokens.md that it breaks.

use serde_json::{Value, json};

use super::forger::{Forger, der, pem, signing_input, with_secret, with_signature};
use super::good::Good;

/// One token that must be refused.
pub(super) struct Specimen {
    pub(super) name: &'static str,
    /// Of docs/validating-tokens.md.
    pub(super) rule: u8,
    pub(super) reason: &'static str,
    pub(super) token: String,
}

/// What to do about a broken rule.
pub(super) fn fix(rule: u8) -> &'static str {
    match rule {
        1 => {
            "fix ES256 in the code, find the key in the configured set by its kid alone, and refuse a \
             header with anything but alg, typ and kid"
        }
        2 => "demand that typ in the header is at+jwt",
        3 => "verify the signature, 64 bytes, over the bytes as they came, before anything else",
        4 => "compare iss with your tenant's issuer byte for byte, and tid with its last part",
        5 => "compare aud with your own audience byte for byte: one string, and no list",
        6 => "demand exp, nbf, iat and auth_time as whole numbers, and hold them to the clock",
        7 => "demand acr urn:pawl:acr:totp, and a list amr that has otp",
        8 => "demand sub as one string, and epoch as a whole number",
        _ => "put the page behind the validator",
    }
}

type Forged = Result<Vec<Specimen>, String>;

/// A change of a member; null takes it away.
fn changed(of: &Value, change: &Value) -> Value {
    let mut changed = of.as_object().cloned().unwrap_or_default();
    for (name, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            changed.remove(name);
        } else {
            changed.insert(name.clone(), value.clone());
        }
    }
    Value::Object(changed)
}

/// What anybody can make of a good token and the published keys: no signature in it is right.
pub(super) fn by_a_stranger(
    fresh: &dyn Fn() -> Result<Good, String>,
    point: &[u8],
    stranger: &Forger,
    base: &str,
) -> Forged {
    let mut made = headers(fresh, point)?;
    made.extend(brought_keys(fresh, stranger, base)?);
    made.extend(signatures(fresh, stranger)?);
    Ok(made)
}

fn headers(fresh: &dyn Fn() -> Result<Good, String>, point: &[u8]) -> Forged {
    let unsigned = |alg: &str| {
        let good = fresh()?;
        let header = changed(&good.header, &json!({ "alg": alg }));
        Ok::<_, String>(with_signature(&signing_input(&header, &good.claims), &[]))
    };
    let secret = |secret: &[u8], kid: Option<&str>| {
        let good = fresh()?;
        let mut header = changed(&good.header, &json!({ "alg": "HS256" }));
        if let Some(kid) = kid {
            header = changed(&header, &json!({ "kid": kid }));
        }
        Ok::<_, String>(with_secret(&header, &good.claims, secret))
    };
    let nothing = Some("../../../../../../dev/null");
    Ok([
        ("alg-none", "It says that it is not signed.", unsigned("none")?),
        (
            "alg-none-mixed-case",
            "The same, past a list that knows `none` alone.",
            unsigned("nOnE")?,
        ),
        (
            "alg-hs256-pem",
            "It is authenticated with the public key, as PEM, for a shared secret.",
            secret(pem(point).as_bytes(), None)?,
        ),
        ("alg-hs256-point", "The same, with the key's point.", secret(point, None)?),
        ("kid-path", "Its kid leads to an empty file, for a shared secret.", secret(b"", nothing)?),
    ]
    .into_iter()
    .map(|(name, reason, token)| Specimen { name, rule: 1, reason, token })
    .collect())
}

fn brought_keys(fresh: &dyn Fn() -> Result<Good, String>, stranger: &Forger, base: &str) -> Forged {
    let bring = |more: Value| {
        let good = fresh()?;
        let header = changed(&good.header, &json!({ "kid": stranger.kid }));
        stranger.token(&changed(&header, &more), &good.claims)
    };
    let at = |path: &str| format!("{base}{path}");
    Ok([
        ("kid-unknown", "Its key is in no key set.", bring(json!({}))?),
        ("jwk-inside", "It brings its own key.", bring(json!({ "jwk": stranger.jwk }))?),
        (
            "jku-inside",
            "It says where its key is.",
            bring(json!({ "jku": at("/stranger/jwks.json") }))?,
        ),
        (
            "x5u-inside",
            "It says where its certificate is.",
            bring(json!({ "x5u": at("/stranger/cert.pem") }))?,
        ),
    ]
    .into_iter()
    .map(|(name, reason, token)| Specimen { name, rule: 1, reason, token })
    .collect())
}

fn signatures(fresh: &dyn Fn() -> Result<Good, String>, stranger: &Forger) -> Forged {
    let cut = |signature: &dyn Fn(&[u8]) -> Vec<u8>| {
        let good = fresh()?;
        Ok::<_, String>(with_signature(&good.input, &signature(&good.signature)))
    };
    let claims = |good: &Good| changed(&good.claims, &json!({ "sub": format!("usr_{:032x}", 9) }));
    let (altered, spaced, stolen) = (fresh()?, fresh()?, fresh()?);
    let other = signing_input(&altered.header, &claims(&altered));
    let bit = |signature: &[u8]| {
        let mut flipped = signature.to_vec();
        flipped.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        flipped
    };
    let short = |signature: &[u8]| {
        signature.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default()
    };
    let handle = format!("mch_{}", "A".repeat(43));
    Ok([
        (
            "payload-altered",
            "Its subject was exchanged after it was signed.",
            with_signature(&other, &altered.signature),
        ),
        (
            "header-altered",
            "Its header means the same, in other bytes than were signed.",
            with_signature(&spaced.respaced(), &spaced.signature),
        ),
        ("signature-bit", "A bit of the signature is another.", cut(&bit)?),
        (
            "signature-of-another",
            "It names the right key and is signed with another.",
            stranger.token(&stolen.header, &stolen.claims)?,
        ),
        ("signature-empty", "The signature was cut off.", cut(&|_| Vec::new())?),
        ("signature-short", "The signature was cut.", cut(&short)?),
        ("signature-zero", "r and s are zero (CVE-2022-21449).", cut(&|_| vec![0; 64])?),
        ("signature-der", "ASN.1 instead of r and s (RFC 7518 3.4).", cut(&der)?),
        ("handle", "A challenge's handle is no token.", handle),
    ]
    .into_iter()
    .map(|(name, reason, token)| Specimen { name, rule: 3, reason, token })
    .collect())
}

/// What a validator must refuse although the signature is right.
pub(super) fn by_the_issuer(
    fresh: &dyn Fn() -> Result<Good, String>,
    issuer: &Forger,
    now: i64,
) -> Forged {
    let good = fresh()?;
    let (iss, aud) = (text(&good.claims, "iss"), text(&good.claims, "aud"));
    let mut made = Vec::new();
    for (name, rule, reason, change) in of_headers() {
        let good = fresh()?;
        let token = issuer.token(&changed(&good.header, &change), &good.claims)?;
        made.push(Specimen { name, rule, reason, token });
    }
    let claims = of_identity(iss, aud).into_iter().chain(of_time(now)).chain(of_strength());
    for (name, rule, reason, change) in claims {
        let good = fresh()?;
        let token = issuer.token(&good.header, &changed(&good.claims, &change))?;
        made.push(Specimen { name, rule, reason, token });
    }
    Ok(made)
}

fn text<'a>(claims: &'a Value, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Name, rule, reason, and what is changed of a good token.
type Changed = (&'static str, u8, &'static str, Value);

fn of_headers() -> [Changed; 8] {
    [
        ("alg-none-signed", 1, "It says `none` over a good signature.", json!({ "alg": "none" })),
        ("alg-lower-case", 1, "Algorithms are compared byte for byte.", json!({ "alg": "es256" })),
        ("alg-missing", 1, "No algorithm.", json!({ "alg": null })),
        ("kid-missing", 1, "Pawl names its key always.", json!({ "kid": null })),
        (
            "crit-unknown",
            1,
            "It demands an extension that nobody here knows (RFC 7515 4.1.11).",
            json!({ "crit": ["exp-policy"], "exp-policy": "strict" }),
        ),
        ("typ-missing", 2, "Some other kind of token.", json!({ "typ": null })),
        ("typ-jwt", 2, "An ID token, or anything.", json!({ "typ": "JWT" })),
        (
            "typ-event",
            2,
            "A security event token of the same issuer.",
            json!({ "typ": "secevent+jwt" }),
        ),
    ]
}

fn of_identity(iss: &str, aud: &str) -> [Changed; 12] {
    let tenant = format!("ten_{:032x}", 2);
    let other = iss.rsplit_once('/').map(|(base, _)| format!("{base}/{tenant}"));
    [
        ("other-tenant", 4, "Another tenant's, whole.", json!({ "iss": other, "tid": tenant })),
        ("iss-other-tenant", 4, "Another tenant's issuer.", json!({ "iss": other })),
        ("iss-slash", 4, "The issuer with a slash more.", json!({ "iss": format!("{iss}/") })),
        ("iss-list", 4, "The issuer in a list.", json!({ "iss": [iss] })),
        ("iss-missing", 4, "No issuer.", json!({ "iss": null })),
        (
            "tid-other-tenant",
            4,
            "The tenant is another than the issuer's.",
            json!({ "tid": tenant }),
        ),
        ("aud-other", 5, "It is for another console.", json!({ "aud": "urn:pawl:probe" })),
        (
            "aud-longer",
            5,
            "The audience goes on.",
            json!({ "aud": format!("{aud}.attacker.example") }),
        ),
        (
            "aud-list",
            5,
            "The audience among others: Pawl's is one string.",
            json!({ "aud": [aud, "urn:pawl:probe"] }),
        ),
        ("aud-missing", 5, "For nobody.", json!({ "aud": null })),
        ("sub-missing", 8, "About nobody.", json!({ "sub": null })),
        ("sub-list", 8, "About several.", json!({ "sub": [format!("usr_{:032x}", 3)] })),
    ]
}

fn of_time(now: i64) -> [Changed; 9] {
    let then = now - 360;
    [
        (
            "expired",
            6,
            "Its time is over.",
            json!({ "exp": now - 90, "iat": then, "nbf": then, "auth_time": then }),
        ),
        ("exp-missing", 6, "It never ends.", json!({ "exp": null })),
        ("exp-text", 6, "Its end is a text.", json!({ "exp": (now + 290).to_string() })),
        (
            "exp-far",
            6,
            "It lives a day; Pawl's live 15 minutes at most.",
            json!({ "exp": now + 86_400 }),
        ),
        ("nbf-ahead", 6, "Its time has not come.", json!({ "nbf": now + 200 })),
        ("iat-ahead", 6, "It was made in the future.", json!({ "iat": now + 200 })),
        ("iat-missing", 6, "Nobody can tell how long it lives.", json!({ "iat": null })),
        (
            "auth-time-ahead",
            6,
            "The login comes after the token.",
            json!({ "auth_time": now + 200 }),
        ),
        (
            "auth-time-missing",
            6,
            "Nobody can tell how old the login is.",
            json!({ "auth_time": null }),
        ),
    ]
}

fn of_strength() -> [Changed; 6] {
    [
        ("acr-missing", 7, "It does not say what was verified.", json!({ "acr": null })),
        (
            "acr-other",
            7,
            "It says that a password was enough.",
            json!({ "acr": "urn:pawl:acr:password" }),
        ),
        ("amr-without-otp", 7, "It says that no code was verified.", json!({ "amr": ["pwd"] })),
        ("amr-text", 7, "`otp` in a text, where a list must be.", json!({ "amr": "otp" })),
        (
            "epoch-missing",
            8,
            "It cannot be compared with the user's epoch.",
            json!({ "epoch": null }),
        ),
        ("epoch-text", 8, "Its epoch is a text.", json!({ "epoch": "3" })),
    ]
}
