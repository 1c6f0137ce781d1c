//! `--set FIELD=VALUE`: any option of the conversation engine, by the name that its documentation has.

use std::{str::FromStr, time::Duration};

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stella_core::engine::Options;

use crate::failure::Failure;

/// One option and its new value, such as `recovery.first_token_by=20s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    /// Names of the group and of the option in it.
    path: Vec<String>,
    value: Value,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or("write FIELD=VALUE, such as endpointing.wait_unsure=1.4s")?;
        let path = field.trim().split('.').map(str::to_owned).collect();
        Ok(Self { path, value: parse(value.trim()) })
    }
}

/// A number, `true`, `false`, `none`, or a time such as `400ms`; anything else is a word.
fn parse(text: &str) -> Value {
    if text == "none" {
        return Value::Null;
    }
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.map_or_else(|| Value::String(text.to_owned()), |time| json!(time))
}

/// The engine's defaults with these settings.
pub(crate) fn options(settings: &[Setting]) -> Result<Options, Failure> {
    let mut all = serde_json::to_value(Options::default()).map_err(|error| Failure::other(error.to_string()))?;
    for setting in settings {
        setting.apply(&mut all)?;
    }
    let options: Options = serde_json::from_value(all).map_err(|error| Failure::other(error.to_string()))?;
    match options.clone().validate() {
        Ok(_) => Ok(options),
        Err(error) => Err(Failure::usage(error.to_string())),
    }
}

impl Setting {
    /// Puts the value in its place, and says what is wrong with it while its name is known.
    fn apply(&self, all: &mut Value) -> Result<(), Failure> {
        let name = self.path.join(".");
        let mut place = &mut *all;
        for part in &self.path {
            let Some(group) = place.as_object_mut().filter(|group| !is_time(group)) else {
                return Err(Failure::usage(format!("there is no option {name}: nothing is in {part}'s place")));
            };
            let known = group.keys().cloned().collect::<Vec<_>>().join(", ");
            let unknown = || Failure::usage(format!("there is no option {name}; instead of {part} there are {known}"));
            place = group.get_mut(part).ok_or_else(unknown)?;
        }
        let before = std::mem::replace(place, self.value.clone());
        let hint =
            if before.as_object().is_some_and(is_time) { " (a time is wanted, such as 400ms or 1.5s)" } else { "" };
        let checked = Options::deserialize(&*all);
        checked.map(drop).map_err(|error| Failure::usage(format!("--set {name}: {error}{hint}")))
    }
}

/// Whether this is a time as the options are written, not a group of them.
fn is_time(group: &Map<String, Value>) -> bool {
    group.contains_key("nanos")
}

#[cfg(test)]
mod tests {
    use stella_core::engine::EndpointingMode;

    use super::*;

    fn set(settings: &[&str]) -> Result<Options, String> {
        let settings: Vec<Setting> = settings.iter().map(|text| text.parse().unwrap()).collect();
        options(&settings).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_kind_of_option_can_be_set() {
        let options = set(&[
            "recovery.first_token_by=20s",
            "interruption.speaking.hold_after = 32ms",
            "interruption.speaking.commit_after=none",
            "latency.budget=1.2s",
            "endpointing.mode=silence",
            "speculation.enabled=false",
            "interruption.speaking.min_words=3",
        ])
        .unwrap();
        assert_eq!(options.recovery.first_token_by, Duration::from_secs(20));
        assert_eq!(options.interruption.speaking.hold_after, Duration::from_millis(32));
        assert_eq!((options.interruption.speaking.commit_after, options.interruption.speaking.min_words), (None, 3));
        assert_eq!(options.latency.budget, Some(Duration::from_millis(1_200)));
        assert_eq!((options.endpointing.mode, options.speculation.enabled), (EndpointingMode::Silence, false));
        assert_eq!(set(&[]).unwrap(), Options::default());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name_of_the_option() {
        let error = |setting: &str| set(&[setting]).unwrap_err();
        assert!(error("recovery.first_tokn_by=20s").contains("first_token_by"), "the right names are told");
        assert!(error("speach.clause=20").contains("speech"));
        assert!(error("recovery.first_token_by=20").contains("recovery.first_token_by"), "a time without a unit");
        assert!(error("recovery.first_token_by=20").contains("such as 400ms"));
        assert!(error("recovery.first_token_by.secs=20").contains("no option"));
        assert!(error("endpointing.threshold=2").contains("endpointing.threshold"), "out of bounds");
        assert!("recovery.first_token_by".parse::<Setting>().is_err());
    }
}
