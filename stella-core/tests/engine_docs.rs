//! docs/engine.md says the truth about the defaults.

use std::collections::BTreeMap;

use serde_json::Value;
use stella_core::engine::Options;

/// The defaults as the page writes them: `group.name` → value.
fn defaults() -> BTreeMap<String, String> {
    let mut defaults = BTreeMap::new();
    let options = serde_json::to_value(Options::default()).expect("options are data");
    for (group, fields) in options.as_object().expect("a struct") {
        insert(group, fields, &mut defaults);
    }
    defaults
}

fn insert(name: &str, value: &Value, defaults: &mut BTreeMap<String, String>) {
    match value.as_object().filter(|fields| !fields.is_empty() && !fields.contains_key("secs")) {
        Some(fields) => fields.iter().for_each(|(field, value)| insert(&format!("{name}.{field}"), value, defaults)),
        None => {
            defaults.insert(name.to_owned(), text(value));
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Object(empty) if empty.is_empty() => "{}".into(),
        Value::Object(duration) => {
            let number = |name: &str| duration[name].as_f64().expect("a number");
            let millis = number("secs") * 1e3 + number("nanos") / 1e6;
            if millis < 1_000.0 { format!("{millis} ms") } else { format!("{} s", millis / 1e3) }
        }
        Value::Number(number) => format!("{}", number.as_f64().expect("a number") as f32),
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every event has its row in the table for applications.
#[test]
fn the_page_has_every_event() {
    let page = include_str!("../../docs/engine.md");
    let source = include_str!("../src/engine/output.rs");
    let body = source.split_once("pub enum Event {").expect("there are events").1;
    let body = body.split_once("\n}").expect("the list ends").0;
    let names = body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|l| l.starts_with(char::is_uppercase));
    let names: Vec<&str> =
        names.map(|line| line.trim_end_matches([' ', '{', ',']).split('(').next().unwrap_or(line)).collect();
    assert!(names.len() > 15, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/engine.md has no row for {missing:?}");
}

#[test]
fn the_page_has_every_default() {
    let page = include_str!("../../docs/engine.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split_once("` | "));
    let written: BTreeMap<String, String> = rows
        .filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once(" | ")?.0.to_owned())))
        .filter(|(name, _)| name.contains('.'))
        .collect();
    assert_eq!(written, defaults());
}
