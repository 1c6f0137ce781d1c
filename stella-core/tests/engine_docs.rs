//! docs/engine.md says the truth about the defaults.

use std::collections::BTreeMap;

use serde_json::Value;
use stella_core::engine::Options;

/// The defaults as the page writes them: `group.name` → value.
fn defaults() -> BTreeMap<String, String> {
    let mut defaults = BTreeMap::new();
    let options = serde_json::to_value(Options::default()).expect("options are data");
    for (group, fields) in options.as_object().expect("a struct") {
        for (name, value) in fields.as_object().expect("a struct") {
            defaults.insert(format!("{group}.{name}"), text(value));
        }
    }
    defaults
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
