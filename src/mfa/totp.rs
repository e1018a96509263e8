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
mod tests {
    use super::*;
    use crate::mfa::factor::{Primary, PrimaryMethod};
    use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, UserId};

    const SIX: Parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six };
    const EIGHT: Parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Eight };
    const WIDE: Window = Window { past: 2, future: 2 };
    const NONE_SPENT: Step = Step::from_number(-1);

    /// The seed of both RFCs: "1234567890" over and over.
    fn rfc_seed(length: usize) -> Seed {
        let bytes = b"1234567890".iter().copied().cycle().take(length).collect();
        Seed::from_stored(Secret::new(bytes)).unwrap()
    }

    fn text(code: &Code) -> String {
        code.0.expose().iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect()
    }

    fn code_at(step: i64) -> Code {
        candidate(&generator(rfc_seed(20).expose(), SIX), step)
    }

    fn at_step(step: i64) -> Timestamp {
        Timestamp::from_seconds(step * 30 + 29)
    }

    fn search(code: &Code, step: i64, window: Window, last_step: i64) -> Option<i64> {
        let (seed, last_step) = (rfc_seed(20), Step::from_number(last_step));
        match_code(Some(&seed), SIX, code, at_step(step), window, last_step).ok().map(Step::number)
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let values = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489";
        for (step, value) in (0..).zip(values.split(' ')) {
            assert_eq!(text(&code_at(step)), value);
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let kinds = [(Algorithm::Sha1, 20), (Algorithm::Sha256, 32), (Algorithm::Sha512, 64)];
        for (seconds, values) in [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ] {
            let now = Timestamp::from_seconds(seconds);
            for ((algorithm, length), value) in kinds.into_iter().zip(values) {
                let (seed, parameters) = (rfc_seed(length), Parameters { algorithm, ..EIGHT });
                let (code, exact) = (Code::parse(value).unwrap(), Window { past: 0, future: 0 });
                let found = match_code(Some(&seed), parameters, &code, now, exact, NONE_SPENT);
                assert_eq!(found, Ok(now.step()), "{value}");
            }
        }
    }

    #[test]
    fn the_window_ends_where_it_says() {
        for (past, future) in [(2, 2), (1, 0), (0, 1), (0, 0)] {
            for distance in -4..=4_i64 {
                let inside = (-past..=future).contains(&distance).then_some(100 + distance);
                let found = search(&code_at(100 + distance), 100, Window { past, future }, -1);
                assert_eq!(found, inside, "{distance} in {past}, {future}");
            }
        }
    }

    #[test]
    fn a_spent_step_and_earlier_ones_are_refused() {
        assert_eq!(search(&code_at(100), 100, WIDE, 99), Some(100));
        assert_eq!(search(&code_at(100), 100, WIDE, 100), None);
        assert_eq!(search(&code_at(99), 100, WIDE, 100), None);
        assert_eq!(search(&code_at(101), 100, WIDE, 100), Some(101));
    }

    #[test]
    fn of_two_steps_with_one_code_the_later_is_found() {
        let twins = Code::parse("038755").unwrap();
        assert_eq!(text(&code_at(679_858)), text(&twins));
        assert_eq!(text(&code_at(679_860)), text(&twins));
        assert_eq!(search(&twins, 679_859, WIDE, -1), Some(679_860));
        assert_eq!(search(&twins, 679_859, WIDE, 679_860), None);
    }

    #[test]
    fn nothing_underflows_in_1970_or_overflows_in_9999() {
        for step in 0..3 {
            assert_eq!(search(&code_at(0), step, WIDE, -100), Some(0));
        }
        let last = Timestamp::from_millis(i64::MAX).step().number();
        assert_eq!(search(&code_at(last), last, WIDE, last - 1), Some(last));
        assert_eq!(search(&code_at(last), last, WIDE, i64::MAX), None);
    }

    #[test]
    fn without_a_seed_no_code_matches() {
        let right = candidate(&generator(&NO_SEED, SIX), 100);
        assert!(match_code(None, SIX, &right, at_step(100), WIDE, NONE_SPENT).is_err());
    }

    #[test]
    fn a_code_of_another_length_never_matches() {
        let seed = rfc_seed(20);
        let found = |parameters, typed: &str| {
            let code = Code::parse(typed).unwrap();
            match_code(Some(&seed), parameters, &code, at_step(1), WIDE, NONE_SPENT).is_ok()
        };
        assert!(found(SIX, "287082") && found(EIGHT, "94287082"));
        assert!(!["94287082", "28708200", "00287082"].into_iter().any(|code| found(SIX, code)));
        assert!(!["942870", "287082"].into_iter().any(|code| found(EIGHT, code)));
    }

    #[test]
    fn a_code_is_a_string_of_digits_and_no_error_repeats_it() {
        let code: Code = serde_json::from_str(r#""081804""#).unwrap();
        assert_eq!(text(&code), "081804");
        assert_eq!(format!("{code:?}"), "Code([secret])");
        let number = serde_json::from_str::<Code>("123456").unwrap_err().to_string();
        assert!(!number.contains("12345"), "{number}");
        for typed in ["081 804", "0818-04", "０８１８０４", "٠٨١٨٠٤", "081\u{a0}804 "] {
            assert!(Code::parse(typed).unwrap().ct_eq(&code).unwrap_u8() == 1, "{typed}");
        }
        for text in ["", "12345", "1234567", "123456789", " 12345", "12345a", "+12345", "١٢٣"] {
            assert!(Code::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digits_are_an_integer_on_the_wire() {
        assert_eq!(serde_json::to_string(&Digits::Eight).unwrap(), "8");
        assert_eq!(serde_json::from_str::<Digits>("6").unwrap(), Digits::Six);
        for json in ["7", "\"6\"", "6.0", "-6", "null", "262"] {
            assert!(serde_json::from_str::<Digits>(json).is_err(), "{json}");
        }
        let schema = serde_json::to_value(<Digits as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(schema["type"], "integer");
        assert_eq!(schema["enum"], serde_json::json!([6, 8]));
    }

    #[test]
    fn only_a_right_fresh_code_becomes_a_match() {
        let login = Login {
            tenant: TenantId::from_random([1; 16]),
            user: UserId::from_random([2; 16]),
            client: ClientId::from_random([3; 16]),
            factor: FactorId::from_random([4; 16]),
            epoch: 1,
            event: EventId::from_random([5; 16]),
            at: at_step(100),
            primary: Primary { method: PrimaryMethod::Password, at: at_step(99) },
            grants: Vec::new(),
            key: None,
        };
        let (seed, code, step) = (rfc_seed(20), code_at(101), Step::from_number(101));
        let found = |seed: Option<&Seed>, code: &Code, last| {
            matched(login.clone(), seed, SIX, code, WIDE, last).map(|right| *right.evidence())
        };
        assert_eq!(found(Some(&seed), &code, step.offset(-1)), Ok(step));
        assert_eq!(found(Some(&seed), &code, step), Err(Unmatched::Replayed));
        assert_eq!(found(Some(&seed), &code_at(200), step), Err(Unmatched::Wrong));
        assert_eq!(found(None, &code, step), Err(Unmatched::NoFactor));
    }
}
