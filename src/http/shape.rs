//! Holds a body to the types that its schema names. serde alone takes more than the document says, at
//! any depth: a list for a struct, its fields in the order of the source, `{"reset": null}` for
//! `"reset"`, a word twice in a set, what is too long or too much. What a derived union buffers is out of a
//! deserializer's reach, so the text is looked at before it, against the document.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::document::document;

/// What may stand at one place of a body: each schema that the document has for it. The variants of
/// a union count together, since its tag may come last. None at all is a place that the document does
/// not know: serde refuses its name.
#[derive(Clone)]
pub struct Place(Vec<&'static Value>);

impl Place {
    /// A whole body of the component's schema, if the document has that component.
    #[must_use]
    pub fn of(component: &str) -> Option<Self> {
        components().get(component).map(|schema| Self::among([schema]))
    }

    fn among(schemas: impl IntoIterator<Item = &'static Value>) -> Self {
        let mut found = Vec::new();
        for schema in schemas {
            resolve(schema, &mut found);
        }
        Self(found)
    }

    fn property(&self, name: &str) -> Self {
        Self::among(self.0.iter().filter_map(|schema| schema.get("properties")?.get(name)))
    }

    fn items(&self) -> Self {
        Self::among(self.0.iter().filter_map(|schema| schema.get("items")))
    }

    /// Looks at a body as far as it is JSON: serde says what is not.
    ///
    /// # Errors
    /// The path of the first value of another type than the document has there.
    pub fn check(self, body: &[u8]) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        match self.deserialize(tracked) {
            Err(error) if error.is_data() => Err(track.path().to_string()),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn takes(&self, types: &[&str], fits: impl Fn(&Value) -> bool) -> bool {
        self.0.iter().any(|schema| is_of(schema, types) && fits(schema))
    }

    fn is_set(&self) -> bool {
        self.0.iter().any(|schema| schema.get("uniqueItems") == Some(&Value::Bool(true)))
    }

    fn expect<E: Error>(&self, types: &[&str]) -> Result<(), E> {
        self.hold(types, |_| true)
    }

    /// Whether some schema has one of the types here, and fits.
    fn hold<E: Error>(&self, types: &[&str], fits: impl Fn(&Value) -> bool) -> Result<(), E> {
        if self.0.is_empty() || self.takes(types, fits) {
            Ok(())
        } else {
            Err(E::custom("another type or value than the document has here"))
        }
    }

    fn number<E: Error>(&self, number: i128) -> Result<(), E> {
        self.hold(&["integer", "number"], |schema| within(schema, "minimum", "maximum", number))
    }
}

/// The schemas of the document, by name.
fn components() -> &'static Value {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let schemas = document().components.map(|components| components.schemas);
        serde_json::to_value(schemas).unwrap_or_default()
    })
}

/// Follows names and unions to the schemas that say a type.
fn resolve(schema: &'static Value, found: &mut Vec<&'static Value>) {
    if let Some(place) = schema.get("$ref").and_then(Value::as_str) {
        let name = place.rsplit('/').next().unwrap_or_default();
        if let Some(named) = components().get(name) {
            resolve(named, found);
        }
    } else if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        for variant in variants {
            resolve(variant, found);
        }
    } else {
        found.push(schema);
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
        self.expect(&["null"])
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.expect(&["boolean"])
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.expect(&["number"])
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let characters = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
        self.hold(&["string"], |schema| within(schema, "minLength", "maxLength", characters))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.expect(&["array"])?;
        let mut count = 0;
        if self.is_set() {
            count = words(list)?;
        } else {
            let item = self.items();
            while list.next_element_seed(item.clone())?.is_some() {
                count += 1;
            }
        }
        self.hold(&["array"], |schema| within(schema, "minItems", "maxItems", count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.expect(&["object"])?;
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

/// Whether a number or a length keeps to the bounds that the schema has under these names.
fn within(schema: &Value, least: &str, most: &str, number: i128) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
    bound(least).is_none_or(|least| least <= number)
        && bound(most).is_none_or(|most| number <= most)
}

/// How many there are: the sets of the document are of words, and serde would take one twice.
fn words<'de, A: SeqAccess<'de>>(mut list: A) -> Result<i128, A::Error> {
    let (mut met, mut count) = (BTreeSet::new(), 0);
    while let Some(word) = list.next_element::<String>()? {
        if !met.insert(word) {
            return Err(A::Error::custom("stands twice"));
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(component: &str, body: &str) -> Result<(), String> {
        Place::of(component).unwrap().check(body.as_bytes())
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
            ("UpsertUser", r#"{"groups":["a","b","a"]}"#, "groups"),
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
            let takes = |name| place.takes(&[name], |_| true);
            assert!(!(takes("array") && takes("object")));
            if place.is_set() {
                let items = place.items();
                assert!(items.0.iter().all(|schema| schema.get("type") == Some(&"string".into())));
            }
            let objects = place.0.iter().filter_map(|schema| schema.get("properties")?.as_object());
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
