//! The small words of the domain that arrive as text: audiences, roles, groups, names.
//! Each is parsed once, at the edge; past it there is no unchecked text. Lengths are in characters, as
//! the document counts them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Hidden, hidden};

/// Text that does not fit the word it was given for: what is wanted, and what the text has instead.
/// It holds no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct InvalidWord {
    wants: &'static str,
    has: Option<Has>,
}

/// What a refused text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    /// So many characters: too few or too many.
    Characters(usize),
    /// So many characters besides spaces: too few.
    Readable(usize),
    /// A character that is not allowed, in these words.
    Character(&'static str),
    /// Something else, in these words.
    Other(&'static str),
}

impl InvalidWord {
    /// What is wanted, if what the text has instead is plain.
    #[must_use]
    pub const fn new(wants: &'static str) -> Self {
        Self { wants, has: None }
    }

    /// What is wanted, and what the text has.
    #[must_use]
    pub const fn having(wants: &'static str, has: Has) -> Self {
        Self { wants, has: Some(has) }
    }
}

impl fmt::Display for InvalidWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wants {}", self.wants)?;
        match self.has {
            None => Ok(()),
            Some(Has::Characters(count)) => write!(f, ", has {count}"),
            Some(Has::Readable(count)) => write!(f, ", has {count} without spaces"),
            Some(Has::Character(what)) => write!(f, ", has {what} among them"),
            Some(Has::Other(what)) => write!(f, ", has {what}"),
        }
    }
}

macro_rules! text_words {
    ($($(#[$doc:meta])* $name:ident: $check:expr, $wants:literal, $lengths:expr, $pattern:expr;)*) => {$(
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
                let check: fn(&str) -> Option<Has> = $check;
                match long(text, $lengths).or_else(|| check(text)) {
                    None => Ok(Self(text.to_owned())),
                    Some(has) => Err(InvalidWord::having($wants, has)),
                }
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
                    .description(Some($wants))
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
    )*

    /// Why a text does not fit the word of this name, which is that of its schema; `None` if it fits or
    /// if there is no such word.
    #[must_use]
    pub fn misfit(name: &str, text: &str) -> Option<InvalidWord> {
        match name {
            $(stringify!($name) => $name::parse(text).err(),)*
            _ => None,
        }
    }
    };
}

fn long(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<Has> {
    let count = text.chars().count();
    (!lengths.contains(&count)).then_some(Has::Characters(count))
}

fn control(text: &str) -> Option<Has> {
    text.chars().any(char::is_control).then_some(Has::Character("a control character"))
}

/// Control characters would forge log lines; bidirectional and zero-width ones would forge names
/// that an administrator reads before approving.
fn plain(text: &str) -> Option<Has> {
    hidden(text).map(|hidden| {
        Has::Character(match hidden {
            Hidden::Control => "a control character",
            Hidden::Invisible => "an invisible character",
        })
    })
}

fn readable(text: &str, least: usize) -> Option<Has> {
    let count = text.chars().filter(|c| !c.is_whitespace()).count();
    plain(text).or((count < least).then_some(Has::Readable(count)))
}

fn token(text: &str) -> Option<Has> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    (!text.bytes().all(allowed)).then_some(Has::Character("another character"))
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
    /// The console's own immutable id of a user, compared byte for byte.
    ExternalId: control,
        "1 to 256 characters without control characters", 1..=256, NO_CONTROL;
    /// What people call a user, a client or a tenant. A label: nothing is decided by it.
    DisplayName: |t| readable(t, 1),
        "1 to 200 characters without control or invisible characters", 1..=200, NO_CONTROL;
    /// Who a token is for: the `aud` claim.
    Audience: token,
        "1 to 200 ASCII letters, digits and - _ . : /", 1..=200, TOKEN;
    /// A group that a console asserts. It can only add strictness.
    Group: control,
        "1 to 256 characters without control characters", 1..=256, NO_CONTROL;
    /// A label that a person set on a user.
    Label: token,
        "1 to 100 ASCII letters, digits and - _ . : /", 1..=100, TOKEN;
    /// Why somebody weakens something: at least 15 characters that can be read.
    Reason: |t| readable(t, 15),
        "15 to 500 characters", 15..=500, NO_CONTROL;
    /// The number of a ticket in the organization's own system.
    TicketReference: |t| readable(t, 1),
        "1 to 100 characters without control or invisible characters", 1..=100, NO_CONTROL;
    /// A service account of a Kubernetes cluster, as the `sub` of its tokens names it.
    ServiceAccount: |t| (!is_service_account(t)).then_some(Has::Other("another form")),
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
    /// What becomes of a new user whose external id is another spelling of an older user's of the directory.
    LookAlikes {
        /// The new user is held: only a ticket lets them enroll.
        Hold = "hold",
        /// The new user enrolls as any other; the event is all.
        Note = "note",
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
        assert!(ExternalId::parse(&"龍".repeat(256)).is_ok());
    }

    #[test]
    fn a_refusal_says_what_is_wanted_and_what_is_there_and_nothing_of_the_text() {
        let refusal = |name, text: &str| misfit(name, text).map(|why| why.to_string());
        for (name, text, said) in [
            ("Reason", "电话丢在火车上了请帮忙", "wants 15 to 500 characters, has 11"),
            ("Reason", "a   b   c   d   e", "wants 15 to 500 characters, has 5 without spaces"),
            (
                "TicketReference",
                "INC\u{202e}1",
                "wants 1 to 100 characters without control or invisible characters, has an \
                 invisible character among them",
            ),
            (
                "Audience",
                "a b",
                "wants 1 to 200 ASCII letters, digits and - _ . : /, has another character among \
                 them",
            ),
        ] {
            assert_eq!(refusal(name, text).as_deref(), Some(said), "{text}");
        }
        assert_eq!(refusal("Reason", &"п".repeat(500)), None);
        assert_eq!(
            refusal("Reason", &"п".repeat(501)).unwrap(),
            "wants 15 to 500 characters, has 501"
        );
        assert_eq!(refusal("Nothing", ""), None);
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
