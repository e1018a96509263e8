//! Instants and TOTP steps. Time is always an argument; nothing here reads a clock.

use std::fmt;

use super::words::{Has, InvalidWord};

/// Milliseconds since 1970-01-01T00:00:00Z. On the wire: RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

/// A number of RFC 6238 time steps since 1970: `T = unix / 30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(i64);

/// Seconds in a step. RFC 6238 section 5.2 recommends 30; Pawl knows no other.
pub const PERIOD_SECONDS: u64 = 30;

/// The last instant that RFC 3339 can write: the end of year 9999.
const LATEST: i64 = 253_402_300_799_999;

impl Timestamp {
    /// From milliseconds since 1970, held between 1970 and the end of year 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    /// From seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down: the form of `iat` and `exp`.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The step that this instant lies in.
    #[must_use]
    pub fn step(self) -> Step {
        Step(self.seconds() / PERIOD_SECONDS.cast_signed())
    }

    /// This instant moved forward.
    #[must_use]
    pub fn after(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.0))
    }

    /// This instant moved back.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_sub(span.0))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// Reads RFC 3339 with any offset; years outside 1970 to 9999 are refused.
    ///
    /// # Errors
    /// [`InvalidWord`], which says so if only the offset is missing: what a library writes for a time
    /// without a zone is hours off for most readers.
    pub fn parse(text: &str) -> Result<Self, InvalidWord> {
        let wants = "an RFC 3339 instant such as 2026-11-24T06:08:53Z";
        let Ok(at) = text.parse::<jiff::Timestamp>() else {
            let is_naive = text.parse::<jiff::civil::DateTime>().is_ok();
            let has = if is_naive { "no offset (Z or +01:00)" } else { "another form" };
            return Err(InvalidWord::having(wants, Has::Other(has)));
        };
        let millis = at.as_millisecond();
        let years = "an instant in the years 1970 to 9999";
        (0..=LATEST).contains(&millis).then_some(Self(millis)).ok_or(InvalidWord::new(years))
    }
}

impl Span {
    /// So many milliseconds.
    #[must_use]
    pub const fn millis(millis: i64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// So many minutes.
    #[must_use]
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// In seconds, rounded up: the form of `Retry-After`.
    #[must_use]
    pub const fn as_seconds_up(self) -> i64 {
        self.0.saturating_add(999).div_euclid(1000)
    }
}

impl Step {
    /// From its number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The step `by` steps away.
    #[must_use]
    pub const fn offset(self, by: i64) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Timestamp {
    /// The instant for a person to read, to the minute: `2 March 2026, 09:15 UTC`.
    #[must_use]
    pub fn in_words(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| self.to_string(), |at| at.strftime("%-d %B %Y, %H:%M UTC").to_string())
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An instant in RFC 3339; answers are in UTC with milliseconds."))
            .examples(["2026-11-24T06:08:53.000Z"])
            .into()
    }
}
impl utoipa::ToSchema for Timestamp {}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_to_the_minute() {
        let told = |text| Timestamp::parse(text).unwrap().in_words();
        assert_eq!(told("2026-03-02T09:05:59.999Z"), "2 March 2026, 09:05 UTC");
        assert_eq!(told("2026-12-31T23:30:00-02:00"), "1 January 2027, 01:30 UTC");
    }

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::parse("2023-11-14T23:13:20.123+01:00"), Ok(at));
    }

    #[test]
    fn times_outside_the_calendar_are_refused_or_held() {
        for text in ["1969-12-31T23:59:59Z", "yesterday", "2026-11-24", "2026-11-24T06:08:53"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
        let naive = Timestamp::parse("2026-11-24T06:08:53.123456").unwrap_err().to_string();
        assert!(naive.ends_with("has no offset (Z or +01:00)"), "{naive}");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_seconds(5).before(Span::hours(1)).millis(), 0);
    }

    #[test]
    fn steps_follow_rfc_6238() {
        assert_eq!(Timestamp::from_seconds(59).step(), Step::from_number(1));
        assert_eq!(Timestamp::from_seconds(20_000_000_000).step(), Step::from_number(666_666_666));
    }
}
