//! What a schema wants of a number, a length or a text, in words for the reason of a problem.

use std::fmt;

use serde_json::Value;

use crate::mfa::recovery::RecoveryCode;
use crate::mfa::time::Timestamp;
use crate::mfa::totp::Code;
use crate::mfa::{ids, words};

/// What a schema says of a number or a length.
pub(super) struct Bounds {
    least: Option<i128>,
    most: Option<i128>,
}

impl Bounds {
    /// The bounds that the schema has under these names.
    pub(super) fn of(schema: &Value, least: &str, most: &str) -> Self {
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
        Self { least: bound(least), most: bound(most) }
    }

    pub(super) fn hold(&self, number: i128) -> bool {
        self.least.is_none_or(|least| least <= number)
            && self.most.is_none_or(|most| number <= most)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (Some(least), Some(most)) if least == most => write!(f, "exactly {least}"),
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("any number of"),
        }
    }
}

/// What is wrong with a text for a schema, if anything is; `name` is that of the schema's component.
pub(super) fn text_fault(name: &str, schema: &Value, text: &str) -> Option<String> {
    let count = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let bounds = Bounds::of(schema, "minLength", "maxLength");
    if !bounds.hold(count) {
        return Some(format!("wants {bounds} characters, has {count}"));
    }
    let choices = schema.get("enum").and_then(Value::as_array);
    if let Some(choices) = choices.filter(|all| !all.iter().any(|one| one == text)) {
        let names: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        return Some(format!("wants one of {}", names.join(", ")));
    }
    if schema.get("format").and_then(Value::as_str) == Some("date-time") {
        return Timestamp::parse(text).err().map(|misfit| misfit.to_string());
    }
    match name {
        "Code" => return Code::parse(text).err().map(|misfit| misfit.to_string()),
        "RecoveryCode" => return RecoveryCode::parse(text).err().map(|misfit| misfit.to_string()),
        _ => {}
    }
    let word = words::misfit(name, text).map(|misfit| misfit.to_string());
    word.or_else(|| ids::misfit(name, text).map(|misfit| misfit.to_string()))
}
