//! The time.

use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;
use stella_core::tool::ToolError;

use crate::FunctionTool;

#[derive(Debug, Deserialize, JsonSchema)]
struct Where {
    /// Time zone, such as "Europe/Berlin". Leave it out for the local time.
    #[serde(default)]
    zone: String,
}

/// A tool that tells date and time in words, here or in a time zone. Its name is `current_time`; it is read-only.
#[must_use]
pub fn clock() -> FunctionTool {
    let description = "Tells the current date, weekday and time. Use it whenever the answer depends on them.";
    FunctionTool::new("current_time", description, async |place: Where| tell(Timestamp::now(), &place.zone)).read_only()
}

fn tell(now: Timestamp, zone: &str) -> Result<String, ToolError> {
    let zone = match zone.trim() {
        "" => TimeZone::system(),
        zone => TimeZone::get(zone).map_err(|_| {
            ToolError::Refused(format!("there is no time zone {zone:?}; they are named like \"Europe/Berlin\""))
        })?,
    };
    let now = now.to_zoned_datetime(zone);
    Ok(now.strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stella_core::tool::Tool;

    use super::*;

    #[test]
    fn it_tells_the_time_of_a_zone() {
        let now: Timestamp = "2026-11-23T23:06:00Z".parse().unwrap();
        assert_eq!(tell(now, "UTC").unwrap(), "Monday, 23 November 2026, 23:06 (UTC)");
        assert_eq!(tell(now, "Asia/Tokyo").unwrap(), "Tuesday, 24 November 2026, 08:06 (JST)");
        assert!(tell(now, "").is_ok());
        assert!(matches!(tell(now, "Moon/Base"), Err(ToolError::Refused(text)) if text.contains("Moon/Base")));
    }

    #[tokio::test]
    async fn no_arguments_mean_here() {
        assert!(clock().call(json!({})).await.is_ok());
    }
}
