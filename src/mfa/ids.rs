//! Opaque identifiers: a prefix that says what they name, and 128 random bits as lower-case hex.
//!
//! An id is not a secret and proves nothing; handles, keys and tickets are other types.

use std::fmt;

use super::time::Timestamp;

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wants {kind}_ and 32 hexadecimal digits in lower case")]
pub struct InvalidId {
    /// The kind of id that was expected, such as `usr`.
    pub kind: &'static str,
}

fn is_hex128(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes the id that these random bytes give.
            #[must_use]
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(format!(concat!($prefix, "_{:032x}"), u128::from_be_bytes(bytes)))
            }

            /// Reads an id; anything but the prefix and 32 lower-case hex digits is refused.
            ///
            /// # Errors
            /// [`InvalidId`], without echoing the text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|rest| is_hex128(rest))
                    .map(|_| Self(text.to_owned()))
                    .ok_or(InvalidId { kind: $prefix })
            }

            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!("An opaque id: `", $prefix, "_` and 32 hex digits.")))
                    .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                    .examples([concat!($prefix, "_0f4d2a9c7b1e4d3f8a6c5b2e1d0f9a8b")])
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*

    /// Why a text is no id of the type of this name, which is that of its schema; `None` if it is one or
    /// if there is no such type.
    #[must_use]
    pub fn misfit(name: &str, text: &str) -> Option<InvalidId> {
        match name {
            $(stringify!($name) => $name::parse(text).err(),)*
            _ => None,
        }
    }
    };
}

ids! {
    /// A tenant: one company, or the operators' own.
    TenantId = "ten";
    /// A namespace of users inside a tenant.
    DirectoryId = "dir";
    /// A user: `sub` of every token.
    UserId = "usr";
    /// A console's machine identity.
    ClientId = "cli";
    /// One secret of a client.
    ClientSecretId = "sec";
    /// A public key of a client.
    ClientKeyId = "key";
    /// A client's access token. Not the token.
    ClientTokenId = "cto";
    /// A factor, pending or bound.
    FactorId = "fac";
    /// An enrollment: a factor in the making.
    EnrollmentId = "enr";
    /// An open evaluation, or an act waiting for its code. Not its handle.
    ChallengeId = "cha";
    /// A single-use right to enroll. Not its token.
    TicketId = "tic";
    /// A recovery code's row. Not the code.
    RecoveryCodeId = "rec";
    /// A wish for an override.
    PetitionId = "pet";
    /// An act that weakens, with its life.
    OverrideId = "ovr";
    /// A recorded event: `txn` of a token.
    EventId = "evt";
    /// A token's `jti`.
    TokenId = "tok";
}

/// Bytes of an id with the time first, so that ids of one kind are in the order of their times. The bytes
/// after the first six are `random`.
#[must_use]
pub fn time_first(at: Timestamp, random: [u8; 16]) -> [u8; 16] {
    let mut bytes = random;
    let millis = at.millis().to_be_bytes();
    for (byte, milli) in bytes.iter_mut().zip(millis.iter().skip(2)) {
        *byte = *milli;
    }
    bytes
}

impl TenantId {
    /// The tenant of the installation's own events, of its token keys, and of operators.
    #[must_use]
    pub fn system() -> Self {
        Self::from_random([0; 16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_parsing_its_own_text() {
        let id = UserId::from_random([7; 16]);
        assert_eq!(UserId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_or_shape_is_refused() {
        let id = UserId::from_random([7; 16]);
        assert!(ClientId::parse(id.as_str()).is_err());
        for text in ["", "usr_", "usr_ZZ", "usr_0123456789ABCDEF0123456789ABCDEF"] {
            assert!(UserId::parse(text).is_err(), "{text}");
        }
    }
}
