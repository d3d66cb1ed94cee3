//! Seconds since 1970 UTC in Rust, RFC 3339 text (`2026-11-29T08:00:00Z`) on the wire.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes seconds as text; a time outside the calendar (years -9999 to 9999) is an error.
pub(crate) fn serialize<S: Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&jiff::Timestamp::from_second(*seconds).map_err(serde::ser::Error::custom)?)
}

/// Reads what [`serialize`] wrote; fractions of a second are refused, because they would not be written back.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
    if time.to_string() != text || time.subsec_nanosecond() != 0 {
        return Err(D::Error::custom("a time must be written like 2026-11-29T08:00:00Z"));
    }
    Ok(time.as_second())
}

/// The same for a time that may be absent.
pub(crate) mod option {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super")] i64);

    pub(crate) fn serialize<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        seconds.map(Time).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
    }
}
