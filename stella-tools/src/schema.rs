//! Schemas of arguments, as models read them best: in one piece, without noise.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of `T`. Types inside are written out where they are used, except those that contain themselves; objects
/// take no other fields than theirs; titles and number formats, which say nothing to a model, are left out.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("description"); // the tool's own description says it
        if object.get("type").and_then(Value::as_str) == Some("object") {
            object.entry("properties").or_insert_with(|| json!({}));
            object.entry("additionalProperties").or_insert(json!(false));
        }
    }
    schema
}

fn tidy(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("title");
    let kinds = object.get("type").map(Value::to_string).unwrap_or_default(); // one, or a list with "null"
    if kinds.contains("\"integer\"") || kinds.contains("\"number\"") {
        object.remove("format");
    }
    if object.contains_key("properties") {
        object.entry("additionalProperties").or_insert(json!(false));
    }
    for keyword in ["properties", "$defs"] {
        let named = object.get_mut(keyword).and_then(Value::as_object_mut);
        named.into_iter().flat_map(Map::values_mut).for_each(tidy);
    }
    for keyword in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        let listed = object.get_mut(keyword).and_then(Value::as_array_mut);
        listed.into_iter().flatten().for_each(tidy);
    }
    for keyword in ["items", "additionalProperties"] {
        object.get_mut(keyword).into_iter().for_each(tidy);
    }
}

#[cfg(test)]
mod tests {
    #![allow(dead_code, reason = "only the schemas of these types are used")]

    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    struct Flight {
        /// Where from.
        from: Place,
        /// Where to.
        to: Place,
        /// Days from today.
        day: u16,
        class: Option<Class>,
        /// Anything else the guest wants.
        #[serde(default)]
        wishes: Vec<String>,
        #[serde(default)]
        codes: BTreeMap<String, i32>,
        title: String,
    }

    /// A place.
    #[derive(Deserialize, JsonSchema)]
    struct Place {
        /// Name of the city.
        city: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Class {
        Economy,
        Business,
    }

    #[test]
    fn a_schema_is_in_one_piece() {
        let place = |description: &str| {
            json!({
                "description": description, "type": "object", "required": ["city"], "additionalProperties": false,
                "properties": {"city": {"type": "string", "description": "Name of the city."}},
            })
        };
        let expected = json!({
            "type": "object",
            "required": ["from", "to", "day", "title"],
            "additionalProperties": false,
            "properties": {
                "from": place("Where from."),
                "to": place("Where to."),
                "day": {"type": "integer", "minimum": 0, "maximum": 65535, "description": "Days from today."},
                "class": {"type": ["string", "null"], "enum": ["economy", "business", null]},
                "wishes": {"type": "array", "items": {"type": "string"}, "default": [],
                           "description": "Anything else the guest wants."},
                "codes": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
                "title": {"type": "string"},
            },
        });
        assert_eq!(of::<Flight>(), expected);
    }

    #[test]
    fn no_arguments_are_an_empty_object() {
        let expected = json!({"type": "object", "properties": {}, "additionalProperties": false});
        assert_eq!(of::<crate::NoArguments>(), expected);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        #[derive(Deserialize, JsonSchema)]
        struct Tree {
            children: Vec<Tree>,
        }
        assert_eq!(of::<Tree>()["type"], "object");
    }
}
