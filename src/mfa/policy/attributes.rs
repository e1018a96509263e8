//! What a policy decides about: twelve attributes, each with its order of strictness.
//!
//! Every attribute's type is `Ord`, and greater always means stricter, also where the number on the
//! wire falls. So the join of two values is their maximum.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::mfa::words::{InvalidWord, choice_words};

choice_words! {
    /// Whether a factor is asked for.
    Mfa {
        /// Only of those who have one.
        Optional = "optional",
        /// Of everybody.
        Required = "required",
    }
    /// Who may enroll with nothing but the primary login.
    SelfEnrollment {
        /// Everybody without a factor.
        Allowed = "allowed",
        /// Who never had a factor.
        FirstOnly = "first_only",
        /// Nobody: enrolling takes a ticket.
        TicketOnly = "ticket_only",
    }
    /// Which time steps around the present one are accepted.
    Window {
        /// One step in the past and one in the future.
        OneEachSide = "one_each_side",
        /// One step in the past.
        OneBehind = "one_behind",
        /// The present step alone.
        Exact = "exact",
    }
    /// The name of an attribute, as on the wire.
    Attribute {
        /// Whether a factor is asked for.
        Mfa = "mfa",
        /// Who may enroll with nothing but the primary login.
        SelfEnrollment = "self_enrollment",
        /// Which time steps are accepted.
        Window = "window",
        /// Digits of a code.
        Digits = "digits",
        /// Attempts that a rested user has.
        AttemptsBucket = "attempts_bucket",
        /// Hours until one attempt comes back.
        AttemptsRefillHours = "attempts_refill_hours",
        /// Seconds that a token lives.
        TokenTtlSeconds = "token_ttl_seconds",
        /// Whether `exempt` overrides hold.
        ExemptAllowed = "exempt_allowed",
        /// The longest life of an override, in hours.
        OverrideMaxHours = "override_max_hours",
        /// Persons besides the requester who must approve what weakens.
        Approvals = "approvals",
        /// Hours that a factor must have been bound before it can weaken.
        FactorCooldownHours = "factor_cooldown_hours",
        /// Hours that a ticket lives.
        TicketTtlHours = "ticket_ttl_hours",
    }
}

impl Mfa {
    const LOOSEST: Self = Self::Optional;
}

impl SelfEnrollment {
    const LOOSEST: Self = Self::Allowed;
}

impl Window {
    const LOOSEST: Self = Self::OneEachSide;

    /// How many steps before the present one are accepted.
    #[must_use]
    pub const fn past(self) -> u16 {
        match self {
            Self::OneEachSide | Self::OneBehind => 1,
            Self::Exact => 0,
        }
    }

    /// How many steps after the present one are accepted.
    #[must_use]
    pub const fn future(self) -> u16 {
        match self {
            Self::OneEachSide => 1,
            Self::OneBehind | Self::Exact => 0,
        }
    }
}

/// Digits of a code; an integer on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Digits {
    /// Six digits.
    Six,
    /// Eight digits.
    Eight,
}

impl Digits {
    const LOOSEST: Self = Self::Six;

    /// How many.
    #[must_use]
    pub const fn get(self) -> u16 {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }
}

impl From<Digits> for u16 {
    fn from(digits: Digits) -> Self {
        digits.get()
    }
}

impl TryFrom<u16> for Digits {
    type Error = InvalidWord;
    fn try_from(value: u16) -> Result<Self, InvalidWord> {
        match value {
            6 => Ok(Self::Six),
            8 => Ok(Self::Eight),
            _ => Err(InvalidWord::new("6 or 8")),
        }
    }
}

impl utoipa::PartialSchema for Digits {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .enum_values(Some([6, 8]))
            .description(Some("Digits of a code."))
            .into()
    }
}

impl ToSchema for Digits {}

/// Something that a policy lets be; forbidding is stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permission(pub bool);

impl Permission {
    const LOOSEST: Self = Self(true);
}

impl Ord for Permission {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Permission {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $loosest:literal to $strictest:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub struct $name(u16);

        impl $name {
            /// The loosest value that a policy may hold.
            pub const LOOSEST: Self = Self($loosest);

            /// The number, in the unit of the attribute.
            #[must_use]
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl TryFrom<u16> for $name {
            type Error = InvalidWord;
            fn try_from(value: u16) -> Result<Self, InvalidWord> {
                let (one, other) = (value.cmp(&$loosest), value.cmp(&$strictest));
                if one == other && one != Ordering::Equal {
                    Err(InvalidWord::new(concat!("between ", $loosest, " and ", $strictest)))
                } else {
                    Ok(Self(value))
                }
            }
        }

        impl From<$name> for u16 {
            fn from(limit: $name) -> Self {
                limit.0
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let by_number = self.0.cmp(&other.0);
                if $loosest < $strictest { by_number } else { by_number.reverse() }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    )*};
}

limits! {
    /// Attempts that a rested user has.
    AttemptsBucket: 10 to 5;
    /// Hours until one attempt comes back.
    AttemptsRefillHours: 3 to 12;
    /// Seconds that a token lives.
    TokenTtlSeconds: 900 to 60;
    /// The longest life of an override, in hours.
    OverrideMaxHours: 168 to 1;
    /// Persons besides the requester who must approve what weakens.
    Approvals: 0 to 3;
    /// Hours that a factor must have been bound before it can weaken.
    FactorCooldownHours: 0 to 72;
    /// Hours that a ticket lives.
    TicketTtlHours: 336 to 1;
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $field:ident: $name:ident, $kind:ident
        $(as $wire:ident $(from $min:tt to $max:tt)?)?, default $default:expr;)*) => {
        /// A value for every attribute.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        pub struct Attributes {$(
            $(#[$doc])*
            $(#[schema(value_type = $wire $(, format = Int32, minimum = $min, maximum = $max)?)])?
            pub $field: $kind,
        )*}

        /// Values for some attributes; one that is not named is at its loosest.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct PartialAttributes {$(
            $(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            $(
                #[schema(value_type = Option<$wire>)]
                $(#[schema(format = Int32, minimum = $min, maximum = $max)])?
            )?
            pub $field: Option<$kind>,
        )*}

        impl Attributes {
            /// The bottom of the lattice: what a policy that says nothing decides.
            pub const LOOSEST: Self = Self { $($field: $kind::LOOSEST,)* };

            /// What a new tenant's base rule spells out.
            #[must_use]
            pub const fn default_base() -> Self {
                Self { $($field: $default,)* }
            }

            /// The value of one attribute, as a policy document has it.
            #[must_use]
            pub fn value(&self, attribute: Attribute) -> serde_json::Value {
                match attribute { $(Attribute::$name => serde_json::json!(self.$field),)* }
            }

            /// The stricter value of each attribute.
            #[must_use]
            pub fn join(self, other: &PartialAttributes) -> Self {
                Self { $($field: other.$field.map_or(self.$field, |own| own.max(self.$field)),)* }
            }
        }

        impl PartialAttributes {
            /// Whether `attribute` is named.
            #[must_use]
            pub const fn names(&self, attribute: Attribute) -> bool {
                match attribute { $(Attribute::$name => self.$field.is_some(),)* }
            }

            /// Whether `attribute` is named with a value stricter than the one in `than`.
            #[must_use]
            pub fn is_stricter(&self, than: &Attributes, attribute: Attribute) -> bool {
                match attribute {
                    $(Attribute::$name => self.$field.is_some_and(|value| value > than.$field),)*
                }
            }
        }

        impl From<Attributes> for PartialAttributes {
            fn from(all: Attributes) -> Self {
                Self { $($field: Some(all.$field),)* }
            }
        }
    };
}

attributes! {
    /// Whether a factor is asked for.
    mfa: Mfa, Mfa, default Mfa::Required;
    /// Who may enroll with nothing but the primary login.
    self_enrollment: SelfEnrollment, SelfEnrollment, default SelfEnrollment::FirstOnly;
    /// Which time steps around the present one are accepted.
    window: Window, Window, default Window::OneEachSide;
    /// Digits of a code.
    digits: Digits, Digits, default Digits::Six;
    /// Attempts that a rested user has; fewer is stricter.
    attempts_bucket: AttemptsBucket, AttemptsBucket as i32 from 5 to 10, default AttemptsBucket(10);
    /// Hours until one attempt comes back; more is stricter.
    attempts_refill_hours: AttemptsRefillHours, AttemptsRefillHours as i32 from 3 to 12,
        default AttemptsRefillHours(6);
    /// Seconds that a token lives; fewer is stricter.
    token_ttl_seconds: TokenTtlSeconds, TokenTtlSeconds as i32 from 60 to 900,
        default TokenTtlSeconds(300);
    /// Whether `exempt` overrides hold.
    exempt_allowed: ExemptAllowed, Permission as bool, default Permission(true);
    /// The longest life of an override, in hours; fewer is stricter.
    override_max_hours: OverrideMaxHours, OverrideMaxHours as i32 from 1 to 168,
        default OverrideMaxHours(72);
    /// Persons besides the requester who must approve what weakens; more is stricter.
    approvals: Approvals, Approvals as i32 from 0 to 3, default Approvals(0);
    /// Hours that a factor must have been bound before it can weaken; more is stricter.
    factor_cooldown_hours: FactorCooldownHours, FactorCooldownHours as i32 from 0 to 72,
        default FactorCooldownHours(24);
    /// Hours that a ticket lives; fewer is stricter.
    ticket_ttl_hours: TicketTtlHours, TicketTtlHours as i32 from 1 to 336,
        default TicketTtlHours(72);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PartialAttributes, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn the_defaults_have_their_wire_form() {
        let text = serde_json::to_string(&Attributes::default_base()).unwrap();
        let expected = r#"{"mfa":"required","self_enrollment":"first_only","window":"one_each_side","digits":6,"attempts_bucket":10,"attempts_refill_hours":6,"token_ttl_seconds":300,"exempt_allowed":true,"override_max_hours":72,"approvals":0,"factor_cooldown_hours":24,"ticket_ttl_hours":72}"#;
        assert_eq!(text, expected);
        assert_eq!(read(&text).unwrap(), Attributes::default_base().into());
        assert_eq!(serde_json::to_string(&PartialAttributes::default()).unwrap(), "{}");
    }

    #[test]
    fn values_out_of_range_and_unknown_names_are_refused() {
        let refused = r#""mfa":"off" "digits":7 "attempts_bucket":4 "attempts_bucket":11
            "attempts_refill_hours":2 "attempts_refill_hours":13 "approvals":4 "approvals":-1
            "token_ttl_seconds":901 "token_ttl_seconds":59 "ticket_ttl_hours":0 "grace":1"#;
        for text in refused.split_whitespace() {
            assert!(read(&format!("{{{text}}}")).is_err(), "{text}");
        }
    }

    #[test]
    fn every_attribute_takes_the_stricter_value_and_only_then() {
        let strictest = r#"{"mfa":"required","self_enrollment":"ticket_only","window":"exact","digits":8,"attempts_bucket":5,"attempts_refill_hours":12,"token_ttl_seconds":60,"exempt_allowed":false,"override_max_hours":1,"approvals":3,"factor_cooldown_hours":72,"ticket_ttl_hours":1}"#;
        let top = Attributes::LOOSEST.join(&read(strictest).unwrap());
        assert_eq!(serde_json::to_string(&top).unwrap(), strictest);
        assert_eq!(top.join(&Attributes::LOOSEST.into()), top);
        for &attribute in Attribute::ALL {
            let strict = PartialAttributes::from(top);
            assert!(strict.names(attribute) && strict.is_stricter(&Attributes::LOOSEST, attribute));
            assert!(!strict.is_stricter(&top, attribute));
        }
    }

    #[test]
    fn the_schema_states_the_limits_that_reading_enforces() {
        let schema = <PartialAttributes as utoipa::PartialSchema>::schema();
        let schema = serde_json::to_value(schema).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                let Some(bound) = property[bound].as_i64() else { continue };
                assert!(read(&format!("{{\"{name}\":{bound}}}")).is_ok(), "{name} {bound}");
                assert!(read(&format!("{{\"{name}\":{}}}", bound + beyond)).is_err(), "{name}");
            }
        }
        assert_eq!(schema.to_string().matches("\"minimum\"").count(), 7);
    }
}
