//! Secrets on their way in and out: handles arrive and are hashed at once; what is shown once leaves.

use std::fmt;

use zeroize::Zeroizing;

use crate::mfa::secret::SecretText;
use crate::mfa::totp::Code;
use crate::store::seal::sha256;

/// A handle, ticket or other 256-bit secret as it arrived: only its SHA-256 is kept. Text of any shape
/// is taken, for a handle that cannot exist is dead like any other.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle([u8; 32]);

/// Longest text that is looked at.
const LONGEST: usize = 200;

impl Handle {
    /// The hash that the database keeps.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[handle]")
    }
}

impl<'de> serde::Deserialize<'de> for Handle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        if text.len() > LONGEST {
            return Err(serde::de::Error::custom("wants at most 200 bytes"));
        }
        Ok(Self(sha256(text.as_bytes())))
    }
}

impl utoipa::PartialSchema for Handle {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "An opaque handle, exactly as Pawl gave it. Useless as a bearer token.",
            ))
            .max_length(Some(LONGEST))
            .into()
    }
}
impl utoipa::ToSchema for Handle {}

/// A secret in the one answer that shows it.
pub struct Shown(SecretText);

impl Shown {
    /// Marks a secret to be shown.
    #[must_use]
    pub fn new(secret: SecretText) -> Self {
        Self(secret)
    }

    /// For the command line, which shows it too.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[shown once]")
    }
}

impl serde::Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl utoipa::PartialSchema for Shown {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A secret, shown in this one answer and never again."))
            .into()
    }
}
impl utoipa::ToSchema for Shown {}

/// A code that a retried transaction may look at again.
#[derive(Debug, Clone)]
pub struct SharedCode(std::sync::Arc<Code>);

impl SharedCode {
    /// The code.
    #[must_use]
    pub fn get(&self) -> &Code {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SharedCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Code::deserialize(deserializer).map(|code| Self(std::sync::Arc::new(code)))
    }
}

impl utoipa::PartialSchema for SharedCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        <Code as utoipa::PartialSchema>::schema()
    }
}

impl utoipa::ToSchema for SharedCode {
    fn name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
}
