//! Recovery codes: 125 random bits, written so that a person can type them.
//!
//! A code is stored as a keyed hash of its [`RecoveryCode::canonical`] bytes and works once. It
//! yields the right to enroll again, never a token.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use zeroize::Zeroizing;

use super::secret::{Secret, SecretText, deserialize_text};
use super::typed::typed;

/// How many codes a user gets.
pub const COUNT: usize = 10;

/// Characters in a code, separators not counted: 25 times 5 bits.
const LENGTH: usize = 25;
/// Characters between two separators.
const GROUP: usize = 5;
/// Crockford's base32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// One recovery code. Its `Debug` hides it, and it is wiped when dropped.
#[derive(Debug)]
pub struct RecoveryCode(Secret<[u8; LENGTH]>);

/// Text that cannot be a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wants 25 letters and digits")]
pub struct InvalidRecoveryCode;

impl RecoveryCode {
    /// Makes the code that these random bytes give: their first 125 bits.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(bytes) >> 3;
        let mut code = [0; LENGTH];
        for character in code.iter_mut().rev() {
            let digit = ALPHABET.iter().zip(0_u128..).find(|(_, value)| *value == rest % 32);
            *character = digit.map_or(0, |(symbol, _)| *symbol);
            rest /= 32;
        }
        Self(Secret::new(code))
    }

    /// Makes the [`COUNT`] codes of one user.
    #[must_use]
    pub fn set(random: [[u8; 16]; COUNT]) -> [Self; COUNT] {
        random.map(Self::from_random)
    }

    /// Reads a code as people type it (see [`typed`]): in either case, with hyphens and spaces
    /// anywhere or nowhere, with O for 0 and I or L for 1.
    ///
    /// # Errors
    /// [`InvalidRecoveryCode`], without echoing the text.
    pub fn parse(text: &str) -> Result<Self, InvalidRecoveryCode> {
        let mut code = Zeroizing::new([0; LENGTH]);
        let mut typed = typed(text);
        for character in code.iter_mut() {
            *character = typed.next().flatten().and_then(canonical).ok_or(InvalidRecoveryCode)?;
        }
        typed.next().is_none().then(|| Self(Secret::new(*code))).ok_or(InvalidRecoveryCode)
    }

    /// The bytes for the keyed hash: the same for every way to type this code.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        self.0.expose()
    }

    /// The code as it is shown, once: five groups of five, separated by hyphens.
    #[must_use]
    pub fn text(&self) -> SecretText {
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
        for (position, byte) in self.0.expose().iter().enumerate() {
            if position > 0 && position % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        Secret::new(text)
    }
}

fn canonical(typed: u8) -> Option<u8> {
    let symbol = match typed.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.contains(&symbol).then_some(symbol)
}

impl<'de> serde::Deserialize<'de> for RecoveryCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserialize_text(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for RecoveryCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A recovery code. Case, dashes, full stops and spaces do not matter; O counts as 0, I \
                 and L as 1.",
            ))
            .min_length(Some(LENGTH))
            .max_length(Some(200))
            .write_only(true)
            .into()
    }
}

impl utoipa::ToSchema for RecoveryCode {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<Vec<u8>> {
        RecoveryCode::parse(text).ok().map(|code| code.canonical().to_vec())
    }

    #[test]
    fn every_one_of_the_125_bits_changes_the_code_and_the_last_three_do_not() {
        let zero = RecoveryCode::from_random([0; 16]);
        assert_eq!(zero.canonical(), [b'0'; LENGTH]);
        assert_eq!(RecoveryCode::from_random([0xff; 16]).canonical(), [b'Z'; LENGTH]);
        let codes: std::collections::BTreeSet<_> = (0..128)
            .map(|bit| RecoveryCode::from_random((1_u128 << bit).to_be_bytes()))
            .map(|code| code.canonical().to_vec())
            .collect();
        assert_eq!(codes.len(), 126);
    }

    #[test]
    fn a_code_is_shown_in_five_groups_of_five() {
        let value: u128 = (0..25).fold(0, |bits, digit| bits << 5 | digit) << 3;
        let code = RecoveryCode::from_random(value.to_be_bytes());
        assert_eq!(code.text().expose(), "01234-56789-ABCDE-FGHJK-MNPQR");
        assert_eq!(format!("{code:?}"), "RecoveryCode([secret])");
        assert_eq!(RecoveryCode::set([[7; 16]; COUNT]).len(), 10);
    }

    #[test]
    fn people_may_type_a_code_as_they_read_it() {
        let right = parsed("01234-56789-ABCDE-FGHJK-MNPQR");
        assert!(right.is_some());
        for typed in [
            "0123456789ABCDEFGHJKMNPQR",
            "oi234-56789-abcde-fghjk-mnpqr",
            "OL234 56789 ABCDE FGHJK MNPQR",
            " 0-1234--56789abcdefghjkmnpqr ",
            "01234–56789–ABCDE–FGHJK–MNPQR.",
            "０１２３４－５６７８９－ＡＢＣＤＥ－ｆｇｈｊｋ－ＭＮＰＱＲ",
        ] {
            assert_eq!(parsed(typed), right, "{typed}");
        }
    }

    #[test]
    fn a_wrong_length_or_character_is_refused() {
        for typed in [
            "",
            "01234-56789-ABCDE-FGHJK-MNPQ",
            "01234-56789-ABCDE-FGHJK-MNPQRS",
            "U1234-56789-ABCDE-FGHJK-MNPQR",
            "01234_56789_ABCDE_FGHJK_MNPQR",
            "\u{ff35}1234-56789-ABCDE-FGHJK-MNPQR",
        ] {
            assert_eq!(parsed(typed), None, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn a_code_survives_being_typed(bytes: [u8; 16]) {
            let code = RecoveryCode::from_random(bytes);
            let typed = code.text().expose().to_lowercase();
            prop_assert_eq!(parsed(&typed), Some(code.canonical().to_vec()));
        }
    }
}
