//! Requests and answers as a person reads them: secrets and ids cut, lists of reasons folded, one line
//! where one line is enough.

use serde_json::{Map, Value};

/// Members that hold a secret.
const SECRETS: &[&str] =
    &["access_token", "handle", "challenge", "enrollment", "secret", "otpauth_uri", "key"];
/// Members that hold a picture.
const PICTURES: &[&str] = &["svg", "png_base64"];
/// Members of which it is enough to know that they are there.
const FOLDED: &[&str] = &["because", "attributes", "facts"];
/// Members of a problem that repeat its code, or name the line in the log.
const LEFT_OUT: &[&str] = &["type", "instance"];
/// Members that say the most: they are shown first.
const FIRST: &[&str] = &["decision", "outcome", "operation", "code", "title", "detail"];

/// Characters of a secret or an id that are shown.
const ENOUGH: usize = 12;
/// The longest line.
const WIDTH: usize = 100;
/// Items of a list that are shown.
const ITEMS: usize = 3;

/// A value without what nobody reads.
pub(super) fn abridged(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let shown = members.iter().filter(|(name, value)| !is_left_out(name, value));
            Value::Object(shown.map(|(name, value)| (name.clone(), member(name, value))).collect())
        }
        Value::Array(items) => {
            let mut shown: Vec<_> = items.iter().take(ITEMS).map(abridged).collect();
            if let Some(more @ 1..) = items.len().checked_sub(ITEMS) {
                shown.push(format!("… {more} more").into());
            }
            Value::Array(shown)
        }
        Value::String(text) if is_long_id(text) => shortened(text).into(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}

fn is_left_out(name: &str, value: &Value) -> bool {
    value.is_null() || LEFT_OUT.contains(&name)
}

fn member(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if SECRETS.contains(&name) => shortened(text).into(),
        Value::String(text) if PICTURES.contains(&name) => {
            format!("(a picture of {} bytes)", text.len()).into()
        }
        Value::Array(items) if FOLDED.contains(&name) => format!("… {} items", items.len()).into(),
        Value::Object(map) if FOLDED.contains(&name) => format!("… {} members", map.len()).into(),
        Value::Array(codes) if name == "recovery_codes" => {
            let first = codes.first().and_then(Value::as_str).map(shortened);
            format!("{} and {} more", first.unwrap_or_default(), codes.len().saturating_sub(1))
                .into()
        }
        Value::Array(_)
        | Value::Object(_)
        | Value::String(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Null => abridged(value),
    }
}

/// The beginning of a text; all of it, if cutting would save nothing.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// An id, a digest, a thumbprint: long, and one word of letters and digits.
fn is_long_id(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_word && text.len() > 30
}

/// A path with the ids in it cut.
pub(super) fn shortened_path(path: &str) -> String {
    let part = |part: &str| if is_long_id(part) { shortened(part) } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// JSON with as many lines as it needs and no more.
pub(super) fn laid_out(value: &Value) -> String {
    written(value, 0)
}

fn written(value: &Value, depth: usize) -> String {
    let line = in_line(value);
    if depth * 2 + line.chars().count() <= WIDTH {
        return line;
    }
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Value::Object(members) => {
            let members = sorted(members);
            let lines = members.iter().map(|(name, value)| {
                format!("{inner}{}: {}", quoted(name), written(value, depth + 1))
            });
            format!("{{\n{}\n{outer}}}", lines.collect::<Vec<_>>().join(",\n"))
        }
        Value::Array(items) => {
            let lines = items.iter().map(|item| format!("{inner}{}", written(item, depth + 1)));
            format!("[\n{}\n{outer}]", lines.collect::<Vec<_>>().join(",\n"))
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => line,
    }
}

fn in_line(value: &Value) -> String {
    match value {
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members = sorted(members);
            let parts = members.iter().map(|(name, v)| format!("{}: {}", quoted(name), in_line(v)));
            format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(in_line).collect::<Vec<_>>().join(", "))
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    let rank = |name: &String| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
    members.sort_by_key(|(name, _)| rank(name));
    members
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "usr_00112233445566778899aabbccddeeff";

    #[test]
    fn no_secret_is_shown_whole() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        for name in SECRETS.iter().chain(PICTURES) {
            let deep = json!({ "outer": [{ *name: long }] });
            let shown = laid_out(&abridged(&deep));
            assert!(!shown.contains("mnopqrstuvwxyz"), "{name}: {shown}");
        }
        let codes: Vec<_> = (0..10).map(|n| format!("{long}{n}")).collect();
        let shown = laid_out(&abridged(&json!({ "recovery_codes": codes })));
        assert_eq!(shown, r#"{ "recovery_codes": "abcdefghijkl… and 9 more" }"#);
    }

    #[test]
    fn ids_are_cut_and_words_are_not() {
        assert_eq!(abridged(&ID.into()), json!("usr_00112233…"));
        assert_eq!(shortened_path(&format!("/v1/users/{ID}/mfa")), "/v1/users/usr_00112233…/mfa");
        let words = "Ask for the next code of the authenticator; each works once.";
        assert_eq!(abridged(&words.into()), words);
        assert_eq!(shortened("löwenmäulchen"), "löwenmäulche…");
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn lists_of_reasons_are_folded_and_nulls_left_out() {
        let value =
            json!({ "because": [1, 2], "list": [1, 2, 3, 4, 5], "none": null, "code": "x" });
        let shown = laid_out(&abridged(&value));
        let line = r#"{ "code": "x", "because": "… 2 items", "list": [1, 2, 3, "… 2 more"] }"#;
        assert_eq!(shown, line);
    }

    #[test]
    fn a_long_value_has_a_line_for_each_member() {
        let words = "word ".repeat(15);
        let value = json!({ "title": words, "detail": words, "list": [true] });
        let text = laid_out(&value);
        assert_eq!(text.lines().count(), 5);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
