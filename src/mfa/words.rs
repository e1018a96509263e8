//! The small words of the domain that arrive as text: audiences, roles, groups, names.
//! Each is parsed once, at the edge; past it there is no unchecked text.

use serde::{Deserialize, Serialize};

/// Text that does not fit the word it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWord(pub &'static str);

macro_rules! text_words {
    ($($(#[$doc:meta])* $name:ident: $check:expr, $why:literal, $lengths:expr, $pattern:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Reads the word as it stands: nothing is trimmed, folded or normalized.
            ///
            /// # Errors
            /// [`InvalidWord`] says what would be right, without echoing the text.
            pub fn parse(text: &str) -> Result<Self, InvalidWord> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(InvalidWord($why)) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidWord;
            fn try_from(text: String) -> Result<Self, InvalidWord> {
                Self::parse(&text)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($why))
                    .min_length(Some(*$lengths.start()))
                    .max_length(Some(*$lengths.end()))
                    .pattern(Some($pattern))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

/// Control characters would forge log lines; bidirectional and zero-width ones would forge names
/// that an administrator reads before approving.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    })
}

fn is_token(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/'))
}

/// As Kubernetes names things: DNS labels, dots between them where it allows several.
fn is_service_account(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=253).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let of = text.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    of.is_some_and(|(namespace, name)| {
        let is_short = namespace.len() <= 63 && name.len() <= 253;
        is_short && is_label(namespace) && name.split('.').all(is_label)
    })
}

/// What the document can say of a text; the rest of its check is told in words.
const NO_CONTROL: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
const TOKEN: &str = "^[A-Za-z0-9_.:/-]*$";
const ACCOUNT: &str = "^system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+$";

text_words! {
    /// The console's own immutable id of a user: exact bytes, 1 to 256.
    ExternalId: |t| (1..=256).contains(&t.len()) && !t.chars().any(char::is_control),
        "1 to 256 bytes without control characters", 1..=256, NO_CONTROL;
    /// What people call a user, a client or a tenant. A label: nothing is decided by it.
    DisplayName: |t| (1..=200).contains(&t.len()) && is_plain(t) && !t.trim().is_empty(),
        "1 to 200 bytes without control or invisible characters", 1..=200, NO_CONTROL;
    /// Who a token is for: the `aud` claim.
    Audience: |t| is_token(t, 200),
        "1 to 200 ASCII letters, digits and - _ . : /", 1..=200, TOKEN;
    /// A group that a console asserts. It can only add strictness.
    Group: |t| is_token(t, 100),
        "1 to 100 ASCII letters, digits and - _ . : /", 1..=100, TOKEN;
    /// A label that a person set on a user.
    Label: |t| is_token(t, 100),
        "1 to 100 ASCII letters, digits and - _ . : /", 1..=100, TOKEN;
    /// Why somebody weakens something: at least 15 characters that can be read.
    Reason: |t| t.len() <= 500 && is_plain(t) && t.trim().chars().filter(|c| !c.is_whitespace()).count() >= 15,
        "15 to 500 readable characters, whitespace not counted", 15..=500, NO_CONTROL;
    /// The number of a ticket in the organization's own system.
    TicketReference: |t| (1..=100).contains(&t.len()) && is_plain(t) && !t.trim().is_empty(),
        "1 to 100 bytes without control or invisible characters", 1..=100, NO_CONTROL;
    /// A service account of a Kubernetes cluster, as the `sub` of its tokens names it.
    ServiceAccount: is_service_account,
        "system:serviceaccount:NAMESPACE:NAME", 25..=338, ACCOUNT;
}

macro_rules! choice_words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:tt,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the word; an unknown one is `None`, which is never "no".
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}
pub(crate) use choice_words;

choice_words! {
    /// What a user is. Fixed at creation.
    UserKind {
        /// A human being.
        Person = "person",
        /// A machine account: it never signs in interactively.
        Service = "service",
    }
    /// What a person may do in Pawl. Kept by Pawl, never set by a console.
    Role {
        /// Uses their own account.
        User = "user",
        /// Petitions for others.
        Helpdesk = "helpdesk",
        /// Reads.
        Auditor = "auditor",
        /// Weakens and tightens, with a proof for what weakens.
        Admin = "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_ids_are_exact_bytes() {
        let (upper, lower) = (ExternalId::parse("Alice"), ExternalId::parse("alice"));
        assert_ne!(upper, lower);
        assert_ne!(ExternalId::parse("alice "), lower);
        assert!(ExternalId::parse("a\0b").is_err());
        assert!(ExternalId::parse(&"x".repeat(257)).is_err());
    }

    #[test]
    fn a_reason_of_blanks_or_invisible_characters_is_refused() {
        assert!(Reason::parse("lost the phone on the train").is_ok());
        assert!(Reason::parse("too short").is_err());
        assert!(Reason::parse(&" ".repeat(40)).is_err());
        for invisible in ["\u{200b}", "\u{3164}", "\u{2800}", "\u{ad}", "\u{61c}", "\u{e0041}"] {
            assert!(Reason::parse(&invisible.repeat(40)).is_err(), "{invisible:?}");
        }
    }
}
