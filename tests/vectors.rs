//! The published tokens, through Pawl's own validator: the good one passes, and each bad one is refused
//! for its reason. `.ci/run examples` takes them through other languages.

use pawl::mfa::time::Timestamp;
use pawl::token::{KeySet, PublicKey, TokenRefused, verify_person_token};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/tokens.json")).unwrap()
}

fn verdict(vectors: &Value, token: &Value) -> Option<TokenRefused> {
    let keys = vectors["jwks"]["keys"].as_array().unwrap();
    let keys = keys.iter().map(|key| PublicKey::parse(&key.to_string()).unwrap()).collect();
    let now = Timestamp::from_seconds(vectors["now"].as_i64().unwrap());
    let keys = KeySet::new(keys).unwrap();
    verify_person_token(token.as_str().unwrap(), &keys, "https://mfa.example", now).err()
}

/// The rule of docs/validating-tokens.md that a refusal stands for.
fn rules(refused: TokenRefused) -> &'static [u64] {
    use TokenRefused as Why;
    match refused {
        Why::Header => &[1, 2],
        Why::Algorithm | Why::UnknownKey => &[1],
        Why::Type => &[2],
        Why::TooLong | Why::Malformed | Why::Signature => &[3],
        Why::Issuer => &[4],
        Why::Audience => &[5],
        Why::NotYetValid | Why::Expired | Why::Life => &[6],
        Why::Strength => &[7],
        // A claim that is missing or of a wrong type, whichever it is.
        Why::Claims => &[4, 5, 6, 7, 8],
    }
}

#[test]
fn the_good_token_passes() {
    let vectors = vectors();
    for good in vectors["good"].as_array().unwrap() {
        assert_eq!(verdict(&vectors, &good["token"]), None, "{}", good["name"]);
    }
}

#[test]
fn each_bad_token_is_refused_for_its_reason() {
    let vectors = vectors();
    let bad = vectors["bad"].as_array().unwrap();
    assert!(bad.len() >= 25);
    for bad in bad {
        let refused = verdict(&vectors, &bad["token"]);
        let refused = refused.unwrap_or_else(|| panic!("{} passed", bad["name"]));
        let rule = bad["rule"].as_u64().unwrap();
        assert!(rules(refused).contains(&rule), "{}: {refused:?} is not rule {rule}", bad["name"]);
    }
}
