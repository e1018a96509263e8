//! The keys that sign tokens: whether anybody moves them.

use super::{Danger, Findings};
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::token_key::neglect::{Neglect, neglect};
use crate::mfa::token_key::{KeyState, TokenKey};

/// Looks at their lives; `every` is how long one is to sign.
pub(super) fn examine(keys: &[TokenKey], every: Span, now: Timestamp, findings: &mut Findings) {
    let about = "token keys";
    if keys.iter().all(|key| key.state != KeyState::Active) {
        let next = "the next start of a server makes one";
        findings.add(Danger::Note, about, "none is active yet", next);
    }
    for neglect in neglect(keys, every, now) {
        match neglect {
            Neglect::Old(from) => findings.add(
                Danger::Risk,
                about,
                format!(
                    "one signs since {from}, a day and more longer than PAWL_TOKEN_KEY_DAYS says"
                ),
                "start a server, or read in the log of the one that runs why it moves no key; \
                 `pawl keys rotate` lets the next one sign",
            ),
            Neglect::NoNext => findings.add(
                Danger::Risk,
                about,
                "no key waits to follow the one that signs",
                "start a server, which publishes one within two minutes, or read in the log of the \
                 one that runs why it does not; `pawl keys rotate` publishes one too",
            ),
        }
    }
}
