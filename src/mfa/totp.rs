//! RFC 6238 codes and the search for the step of one.
//!
//! Nothing in the search branches on the secret, on a candidate or on the code: a right, a wrong
//! and a replayed code, and a user without a factor, take the same path.

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use zeroize::Zeroizing;

use super::attempt::Unmatched;
use super::factor::{Login, Matched};
use super::secret::{Secret, Seed, deserialize_text};
use super::time::{PERIOD_SECONDS, Step, Timestamp};
use super::typed::typed;
use super::words::choice_words;

choice_words! {
    /// The hash under the HMAC, RFC 6238 section 1.2. Many authenticators silently know only SHA1.
    Algorithm {
        /// HMAC-SHA-1.
        Sha1 = "SHA1",
        /// HMAC-SHA-256.
        Sha256 = "SHA256",
        /// HMAC-SHA-512.
        Sha512 = "SHA512",
    }
}

/// How many digits a code has. On the wire: the integer 6 or 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Digits {
    /// Six.
    Six,
    /// Eight.
    Eight,
}

impl Digits {
    /// How many.
    #[must_use]
    pub const fn count(self) -> u8 {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        digits.count()
    }
}

impl TryFrom<u8> for Digits {
    type Error = &'static str;
    fn try_from(count: u8) -> Result<Self, &'static str> {
        match count {
            6 => Ok(Self::Six),
            8 => Ok(Self::Eight),
            _ => Err("must be 6 or 8"),
        }
    }
}

impl utoipa::PartialSchema for Digits {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("How many digits a code has."))
            .enum_values(Some([6, 8]))
            .into()
    }
}

impl utoipa::ToSchema for Digits {}

/// How a factor's codes are made. The period is always [`PERIOD_SECONDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// The hash.
    pub algorithm: Algorithm,
    /// The length of a code.
    pub digits: Digits,
}

/// The longest code: what shorter ones are padded to with zero bytes, which are not digits.
const LONGEST: usize = 8;

/// A code that was typed: 6 or 8 digits. Its `Debug` hides it, and it is wiped when dropped.
#[derive(Debug)]
pub struct Code(Secret<[u8; LONGEST]>);

/// Text that cannot be a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wants 6 or 8 digits")]
pub struct InvalidCode;

impl Code {
    /// Reads 6 or 8 digits as people type them: see [`typed`].
    ///
    /// # Errors
    /// [`InvalidCode`], without echoing the text.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let (mut padded, mut count) = (Zeroizing::new([0; LONGEST]), 0_usize);
        for typed in typed(text) {
            let digit = typed.filter(u8::is_ascii_digit).ok_or(InvalidCode)?;
            *padded.get_mut(count).ok_or(InvalidCode)? = digit;
            count = count.saturating_add(1);
        }
        if matches!(count, 6 | 8) { Ok(Self(Secret::new(*padded))) } else { Err(InvalidCode) }
    }

    fn padded(digits: &str) -> Self {
        let mut padded = [0; LONGEST];
        for (to, from) in padded.iter_mut().zip(digits.bytes()) {
            *to = from;
        }
        Self(Secret::new(padded))
    }
}

impl ConstantTimeEq for Code {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.expose().ct_eq(other.0.expose())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserialize_text(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The code that the authenticator shows: 6 or 8 digits, as the user typed them. Spaces, \
                 hyphens and full stops do not matter, and digits of other scripts are taken.",
            ))
            .min_length(Some(6))
            .max_length(Some(100))
            .examples(["123456"])
            .write_only(true)
            .into()
    }
}

impl utoipa::ToSchema for Code {}

/// How many steps before and after the present one a code may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Steps back, for codes typed late and clocks that are slow.
    pub past: i64,
    /// Steps ahead, for clocks that are fast.
    pub future: i64,
}

/// The seed that is searched when there is none, so that this takes as long. It matches nothing.
const NO_SEED: [u8; 20] = [0; 20];

/// Finds the step that `code` belongs to: the highest in the window around `now` that is later
/// than `last_step`.
///
/// Every candidate is computed and compared in constant time, whichever of them matches.
///
/// # Errors
/// [`Unmatched`], for a wrong and for a replayed code, and always without a seed.
pub fn match_code(
    seed: Option<&Seed>,
    parameters: Parameters,
    code: &Code,
    now: Timestamp,
    window: Window,
    last_step: Step,
) -> Result<Step, Unmatched> {
    let enrolled = Choice::from(u8::from(seed.is_some()));
    let generator = generator(seed.map_or(&NO_SEED, Seed::expose), parameters);
    // Before every step that a code can have.
    let (mut highest, mut replayed) = (-1_i64, Choice::from(0));
    for distance in window.past.saturating_neg()..=window.future {
        let step = now.step().offset(distance).number();
        let fresh = Choice::from(u8::from(step > last_step.number() && step >= 0));
        let matches = candidate(&generator, step).ct_eq(code) & enrolled;
        // Candidates rise, so the last match is the highest: no later twin stays usable.
        highest.conditional_assign(&step, matches & fresh);
        replayed |= matches & !fresh;
    }
    match seed {
        _ if highest >= 0 => Ok(Step::from_number(highest)),
        None => Err(Unmatched::NoFactor),
        Some(_) => Err(if replayed.into() { Unmatched::Replayed } else { Unmatched::Wrong }),
    }
}

fn generator(seed: &[u8], parameters: Parameters) -> totp_rs::Totp {
    let algorithm = match parameters.algorithm {
        Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
        Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
        Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
    };
    // What `build` would check besides is checked by our types, or unused: names and skew.
    totp_rs::Builder::new()
        .with_algorithm(algorithm)
        .with_digits(parameters.digits.count())
        .with_step_duration(PERIOD_SECONDS)
        .with_secret(seed)
        .build_noncompliant()
}

/// The code of one step. The steps before 1970 share that of step 0; the caller refuses them.
fn candidate(generator: &totp_rs::Totp, step: i64) -> Code {
    let seconds = u64::try_from(step).unwrap_or(0).saturating_mul(PERIOD_SECONDS);
    Code::padded(&Zeroizing::new(generator.generate(seconds).to_string()))
}

/// Searches the code of `login`'s factor around `login.at`: the one place that makes a [`Matched`].
///
/// # Errors
/// [`Unmatched`].
pub(super) fn matched(
    login: Login,
    seed: Option<&Seed>,
    parameters: Parameters,
    code: &Code,
    window: Window,
    last_step: Step,
) -> Result<Matched<Step>, Unmatched> {
    let found = match_code(seed, parameters, code, login.at, window, last_step);
    found.map(|step| Matched::new(login, step))
}

#[cfg(test)]
mod tests;
