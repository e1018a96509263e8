//! Holds a body to the types that its schema names. serde alone takes more than the document says, at
//! any depth: a list for a struct, its fields in the order of the source, `{"reset": null}` for
//! `"reset"`, a word twice in a set, what is too long or too much. What a derived union buffers is out of a
//! deserializer's reach, so the text is looked at before it, against the document.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::bounds::{Bounds, text_fault};
use super::document::routed;

/// What may stand at one place of a body: each schema that the document has for it, with its name if it
/// has one. The variants of a union count together, since its tag may come last. None at all is a place
/// that the document does not know: serde refuses its name.
#[derive(Clone)]
pub struct Place(Vec<Named>);

/// A schema, and the name of its component if it is one.
type Named = (&'static str, &'static Value);

/// A value that the document does not have at its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where it stands.
    pub path: String,
    /// What is wanted there and what stands there instead, without the value.
    pub reason: String,
}

impl Place {
    /// A whole body of the component's schema, if the document has that component.
    #[must_use]
    pub fn of(component: &str) -> Option<Self> {
        components().get(component).map(|schema| Self::among([schema]))
    }

    fn among(schemas: impl IntoIterator<Item = &'static Value>) -> Self {
        let mut found = Vec::new();
        for schema in schemas {
            resolve("", schema, &mut found);
        }
        Self(found)
    }

    fn schemas(&self) -> impl Iterator<Item = &'static Value> {
        self.0.iter().map(|(_, schema)| *schema)
    }

    fn property(&self, name: &str) -> Self {
        Self::among(self.schemas().filter_map(|schema| schema.get("properties")?.get(name)))
    }

    fn items(&self) -> Self {
        Self::among(self.schemas().filter_map(|schema| schema.get("items")))
    }

    /// Looks at a body as far as it is JSON: serde says what is not.
    ///
    /// # Errors
    /// The first value that the document does not have at its place.
    pub fn check(self, body: &[u8]) -> Result<(), Misfit> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        match self.deserialize(tracked) {
            Err(error) if error.is_data() => {
                let reason = reason(&error).unwrap_or_else(|| UNFIT.to_owned());
                Err(Misfit { path: track.path().to_string(), reason })
            }
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn takes(&self, types: &[&str]) -> bool {
        self.schemas().any(|schema| is_of(schema, types))
    }

    fn is_set(&self) -> bool {
        self.schemas().any(|schema| schema.get("uniqueItems") == Some(&Value::Bool(true)))
    }

    fn expect<E: Error>(&self, types: &[&str], has: &str) -> Result<(), E> {
        self.hold(types, has, |_| None)
    }

    /// Whether some schema has one of the types here, and nothing against the value.
    fn hold<E: Error>(
        &self,
        types: &[&str],
        has: &str,
        fault: impl Fn(&Named) -> Option<String>,
    ) -> Result<(), E> {
        let here = self.0.iter().filter(|(_, schema)| is_of(schema, types));
        let mut faults: Vec<Option<String>> = here.map(fault).collect();
        if self.0.is_empty() || faults.contains(&None) {
            return Ok(());
        }
        let first = if faults.is_empty() { None } else { faults.swap_remove(0) };
        Err(E::custom(first.unwrap_or_else(|| format!("wants {}, has {has}", self.kinds()))))
    }

    /// The types that may stand here, in words.
    fn kinds(&self) -> String {
        let names = [
            ("string", "text"),
            ("array", "a list"),
            ("object", "an object"),
            ("integer", "a whole number"),
            ("number", "a number"),
            ("boolean", "true or false"),
        ];
        let taken = names.iter().filter(|(name, _)| self.takes(&[name]));
        let words: Vec<&str> = taken.map(|(_, word)| *word).collect();
        words.join(" or ")
    }

    fn number<E: Error>(&self, number: i128) -> Result<(), E> {
        self.hold(&["integer", "number"], "a number", |(_, schema)| {
            let bounds = Bounds::of(schema, "minimum", "maximum");
            (!bounds.hold(number)).then(|| format!("wants {bounds}"))
        })
    }
}

/// How the reason of our own faults begins; serde's may repeat what was sent.
const WANTS: &str = "wants ";

/// What is said where nothing more is known.
pub(super) const UNFIT: &str = "wants a value of the form that the document has here";

/// The reason that one of our types gave for a fault, without serde's place in the text.
pub(super) fn reason(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let (reason, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    reason.starts_with(WANTS).then(|| reason.to_owned())
}

/// The schemas of the document, by name.
fn components() -> &'static Value {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let schemas = routed().components.map(|components| components.schemas);
        serde_json::to_value(schemas).unwrap_or_default()
    })
}

/// Follows names and unions to the schemas that say a type.
fn resolve(name: &'static str, schema: &'static Value, found: &mut Vec<Named>) {
    if let Some(place) = schema.get("$ref").and_then(Value::as_str) {
        let name = place.rsplit('/').next().unwrap_or_default();
        if let Some(named) = components().get(name) {
            resolve(name, named, found);
        }
    } else if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        for variant in variants {
            resolve(name, variant, found);
        }
    } else {
        found.push((name, schema));
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what the document has here")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.expect(&["null"], "null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.expect(&["boolean"], if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.expect(&["number"], "a number with a fraction")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.hold(&["string"], "text", |named| text_fault(named.0, named.1, text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.expect(&["array"], "a list")?;
        let mut count = 0;
        if self.is_set() {
            count = once_each(list, &self.items())?;
        } else {
            let item = self.items();
            while list.next_element_seed(item.clone())?.is_some() {
                count += 1;
            }
        }
        self.hold(&["array"], "a list", |(_, schema)| {
            let bounds = Bounds::of(schema, "minItems", "maxItems");
            (!bounds.hold(count)).then(|| format!("wants {bounds} entries, has {count}"))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.expect(&["object"], "an object")?;
        while let Some(name) = object.next_key::<String>()? {
            object.next_value_seed(self.property(&name))?;
        }
        Ok(())
    }
}

fn is_of(schema: &Value, types: &[&str]) -> bool {
    let is_one = |name: &Value| name.as_str().is_some_and(|name| types.contains(&name));
    schema.get("type").is_some_and(|named| {
        is_one(named) || named.as_array().is_some_and(|several| several.iter().any(is_one))
    })
}

/// How many there are: the sets of the document are of words, and serde would take one twice.
fn once_each<'de, A: SeqAccess<'de>>(mut list: A, item: &Place) -> Result<i128, A::Error> {
    let (mut met, mut count) = (BTreeSet::new(), 0);
    while let Some(word) = list.next_element_seed(Word(item.clone()))? {
        if !met.insert(word) {
            return Err(A::Error::custom("wants each entry once, has one twice"));
        }
        count += 1;
    }
    Ok(count)
}

/// A text of a set.
struct Word(Place);

impl<'de> DeserializeSeed<'de> for Word {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Word {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.visit_str(text).map(|()| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(component: &str, body: &str) -> Result<(), String> {
        Place::of(component).unwrap().check(body.as_bytes()).map_err(|misfit| misfit.path)
    }

    #[test]
    fn a_misfit_says_what_is_wanted_and_what_is_there() {
        let long = format!(r#"{{"body":{{"reason":"{}"}}}}"#, "п".repeat(501));
        for (component, body, path, reason) in [
            ("GrantRole", r#"{"reason":7}"#, "reason", "wants text, has a number"),
            (
                "GrantRole",
                r#"{"reason":"电话丢在火车上了请帮忙"}"#,
                "reason",
                "wants 15 to 500 characters, has 11",
            ),
            ("Act", &long, "body.reason", "wants 15 to 500 characters, has 501"),
            (
                "Act",
                r#"{"body":{"reason":"a   b   c   d   e"}}"#,
                "body.reason",
                "wants 15 to 500 characters, has 5 without spaces",
            ),
            ("Act", r#"{"body":{"key_days":91}}"#, "body.key_days", "wants 1 to 90"),
            ("UpsertUser", r#"{"kind":"robot"}"#, "kind", "wants one of person, service"),
            ("PutPolicy", r#"{"policy":[]}"#, "policy", "wants an object, has a list"),
            (
                "RequestOverride",
                r#"{"expires_at":"2026-11-24T06:08:53"}"#,
                "expires_at",
                "wants an RFC 3339 instant such as 2026-11-24T06:08:53Z, has no offset (Z or +01:00)",
            ),
            (
                "RequestOverride",
                r#"{"user_id":"ana"}"#,
                "user_id",
                "wants usr_ and 32 hexadecimal digits in lower case",
            ),
        ] {
            let found = Place::of(component).unwrap().check(body.as_bytes()).unwrap_err();
            assert_eq!((found.path.as_str(), found.reason.as_str()), (path, reason), "{body}");
        }
    }

    #[test]
    fn a_list_is_no_object_and_an_object_is_no_word() {
        for (component, body, place) in [
            ("PutPolicy", "[]", "."),
            ("PutPolicy", r#"{"policy":[{},[]]}"#, "policy"),
            ("PutPolicy", r#"{"policy":{"rules":[{},["r",{},{}]]}}"#, "policy.rules[1]"),
            ("PutPolicy", r#"{"policy":{"base":{"digits":[8]}}}"#, "policy.base.digits"),
            ("RequestOverride", r#"{"proof":["mch_a","000000"]}"#, "proof"),
            ("RequestOverride", r#"{"kind":{"reset":null}}"#, "kind"),
            ("RequestOverride", r#"{"audiences":[["a"]]}"#, "audiences[0]"),
            ("CreateClient", r#"{"audiences":["a","b","a"]}"#, "audiences"),
            ("UpsertUser", r#"{"groups":["a",1]}"#, "groups[1]"),
            ("Act", r#"{"body":{"jwk":{"kty":"012345678"}}}"#, "body.jwk.kty"),
            ("Act", r#"{"body":{"key_days":0}}"#, "body.key_days"),
            ("Act", r#"{"body":{"key_days":91}}"#, "body.key_days"),
            ("Act", r#"{"body":{"scopes":[]}}"#, "body.scopes"),
            ("Act", r#"{"body":{"reason":"short"}}"#, "body.reason"),
            ("Act", r#"{"body":{"audiences":["a","a"]}}"#, "body.audiences"),
            ("Act", r#"{"body":[],"operation":"grantRole"}"#, "body"),
            ("Act", r#"{"body":{"proof":{"code":0}},"operation":"grantRole"}"#, "body.proof.code"),
            ("Act", r#"{"body":{"policy":{"rules":[[]]}}}"#, "body.policy.rules[0]"),
        ] {
            assert_eq!(check(component, body), Err(place.to_owned()), "{body}");
        }
    }

    #[test]
    fn every_type_stands_where_the_document_has_it() {
        let base = r#"{"mfa":"required","digits":8,"exempt_allowed":false,"approvals":null}"#;
        let rule = r#"{"id":"r","when":{"groups_any":["a"]},"set":{}}"#;
        let policy = format!(r#"{{"base":{base},"rules":[{rule}]}}"#);
        let put = format!(r#"{{"policy":{policy},"proof":null}}"#);
        assert_eq!(check("PutPolicy", &put), Ok(()));
        let act = format!(r#"{{"body":{put},"if_match":"\"1\"","operation":"putPolicy"}}"#);
        assert_eq!(check("Act", &act), Ok(()));
        assert!(check("Act", &act.replace('8', "8.0")).is_err());
    }

    #[test]
    fn what_is_no_json_or_has_no_place_is_left_to_serde() {
        for body in ["", "{", r#"{"policy":x}"#, r#"{"surprise":[{"a":[1]}]}"#] {
            assert_eq!(check("PutPolicy", body), Ok(()), "{body}");
        }
        assert!(Place::of("Surprise").is_none());
    }

    /// Otherwise one variant of a union could lend its list to another variant's object.
    #[test]
    fn no_place_of_the_document_takes_both_a_list_and_an_object() {
        fn walk(place: &Place) -> usize {
            let takes = |name| place.takes(&[name]);
            assert!(!(takes("array") && takes("object")));
            if place.is_set() {
                let items = place.items();
                assert!(items.schemas().all(|schema| schema.get("type") == Some(&"string".into())));
            }
            let objects =
                place.schemas().filter_map(|schema| schema.get("properties")?.as_object());
            let names = objects.flat_map(serde_json::Map::keys);
            let below: usize = names.map(|name| walk(&place.property(name))).sum();
            1 + below + if takes("array") { walk(&place.items()) } else { 0 }
        }
        let walked: usize = ["Act", "PutPolicy", "EvaluateLogin"]
            .iter()
            .map(|name| walk(&Place::of(name).unwrap()))
            .sum();
        assert!(walked > 100, "{walked} places");
    }
}
