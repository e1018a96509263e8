//! Values that must not be seen: no log, error or answer shows one by accident.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A value that is wiped when dropped, and that only [`Secret::expose`] shows.
///
/// It is neither `Clone`, `Display` nor `Serialize`, and its `Debug` is always `[secret]`.
///
/// ```compile_fail,E0599
/// let text = pawl::mfa::secret::SecretText::new(String::new()).to_string();
/// ```
/// ```compile_fail,E0599
/// let twice = pawl::mfa::secret::SecretText::new(String::new()).clone();
/// ```
pub struct Secret<T: Zeroize>(Zeroizing<T>);

/// Secret bytes.
pub type SecretBytes = Secret<Vec<u8>>;

/// Secret text.
pub type SecretText = Secret<String>;

impl<T: Zeroize> Secret<T> {
    /// Takes the value. The copies that the caller kept are the caller's to wipe.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. `grep expose` finds every place that looks.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A factor's shared secret, wiped when dropped. There is no `Debug`.
pub struct Seed(SecretBytes);

/// Stored bytes that are no seed: a fault, never "no factor".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seed has 16 to 64 bytes")]
pub struct InvalidSeed;

impl Seed {
    /// Makes a new seed of 160 bits, as RFC 4226 section 4 recommends, from random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 20]) -> Self {
        Self(Secret::new(bytes.to_vec()))
    }

    /// Takes a seed that was stored. RFC 4226 section 4 wants at least 128 bits; an empty one would
    /// make codes that anybody can make.
    ///
    /// # Errors
    /// [`InvalidSeed`], without echoing the bytes.
    pub fn from_stored(bytes: SecretBytes) -> Result<Self, InvalidSeed> {
        if (16..=64).contains(&bytes.expose().len()) { Ok(Self(bytes)) } else { Err(InvalidSeed) }
    }

    /// The bytes, to be sealed and stored.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The seed as people type it into an authenticator: base32 of RFC 4648 without padding.
    #[must_use]
    pub fn base32(&self) -> SecretText {
        Secret::new(data_encoding::BASE32_NOPAD.encode(self.expose()))
    }
}

/// Reads a string that may be secret. Serde's own message would echo a value of the wrong type; that
/// the field is missing is said as for any other.
pub(super) fn deserialize_text<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<SecretText, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

struct TextVisitor;

macro_rules! no_text {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: serde::de::Error>(self, _: $type) -> Result<SecretText, E> {
            Err(E::custom("wants text"))
        }
    )*};
}

impl serde::de::Visitor<'_> for TextVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(Secret::new(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<SecretText, E> {
        Ok(Secret::new(text))
    }

    no_text!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_only_when_asked() {
        let secret = SecretText::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "[secret] [secret]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_seed_is_kept_whole_and_a_short_one_is_refused() {
        let seed = Seed::from_random(*b"12345678901234567890");
        assert_eq!(seed.base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(seed.expose(), b"12345678901234567890");
        for length in [0, 15, 65] {
            assert!(Seed::from_stored(Secret::new(vec![7; length])).is_err());
        }
    }
}
