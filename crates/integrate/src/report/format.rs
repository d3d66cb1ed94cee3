//! Numbers and times as people of Mexico and readers of English write them.

use super::sentence::Language;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use message::{MONTHS_EN, MONTHS_ES};

/// Writes a number with its digits grouped: `1,234,567`, which es-MX and English share.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Where a report's reader is.
pub(super) struct Clock {
    zone: TimeZone,
    /// What people call the zone; `None`: by its distance from UTC.
    names: Option<(&'static str, &'static str)>,
}

impl Clock {
    /// Takes a zone by its IANA name; UTC where it is missing or unknown.
    pub(super) fn new(name: Option<&str>) -> Self {
        match name.and_then(|name| Some((name, TimeZone::get(name).ok()?))) {
            Some((name, zone)) => Clock { zone, names: zone_names(name) },
            None => Clock { zone: TimeZone::UTC, names: None },
        }
    }

    /// `3 de noviembre de 2026`, `3 November 2026`. A time outside the calendar is written as its number of seconds.
    pub(super) fn date(&self, seconds: i64, language: Language) -> String {
        match self.zoned(seconds) {
            Some(time) => date(&time, language),
            None => seconds.to_string(),
        }
    }

    /// The same with the time of day and its zone.
    pub(super) fn moment(&self, seconds: i64, language: Language) -> String {
        let Some(time) = self.zoned(seconds) else { return seconds.to_string() };
        let (hour, half) = match time.hour() {
            0 => (12, "a.m."),
            hour @ 1..=11 => (hour, "a.m."),
            12 => (12, "p.m."),
            hour => (hour - 12, "p.m."),
        };
        let zone = match (self.names, language) {
            (Some((es, _)), Language::Spanish) => es.to_owned(),
            (Some((_, en)), Language::English) => en.to_owned(),
            (None, _) => from_utc(time.offset().seconds()),
        };
        format!("{}, {hour}:{:02} {half} ({zone})", date(&time, language), time.minute())
    }

    fn zoned(&self, seconds: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(seconds).ok()?.to_zoned(self.zone.clone()))
    }
}

fn date(time: &Zoned, language: Language) -> String {
    let month = (time.month() - 1) as usize;
    let (day, year) = (time.day(), time.year());
    match language {
        Language::Spanish => format!("{day} de {} de {year}", MONTHS_ES[month]),
        Language::English => format!("{day} {} {year}", MONTHS_EN[month]),
    }
}

/// `UTC−6`, `UTC+5:30`, `UTC`.
fn from_utc(seconds: i32) -> String {
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let sign = if seconds < 0 { '−' } else { '+' };
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (_, 0) => format!("UTC{sign}{hours}"),
        _ => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// What people call the zones of Mexico, which is not what the tables of computers call them.
fn zone_names(zone: &str) -> Option<(&'static str, &'static str)> {
    match zone {
        "America/Mexico_City"
        | "America/Monterrey"
        | "America/Merida"
        | "America/Bahia_Banderas"
        | "America/Chihuahua" => Some(("hora del centro de México", "central Mexico time")),
        "America/Cancun" => Some(("hora de Quintana Roo", "Quintana Roo time")),
        "America/Mazatlan" => Some(("hora del Pacífico de México", "Mexican Pacific time")),
        "America/Hermosillo" => Some(("hora de Sonora", "Sonora time")),
        "America/Tijuana" => Some(("hora del Noroeste de México", "north-west Mexico time")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12480, "12,480"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        // 2026-11-29T10:32:00Z.
        let time = 1_795_948_320;
        let mexico = Clock::new(Some("America/Mexico_City"));
        assert_eq!(mexico.date(time, Language::Spanish), "29 de noviembre de 2026");
        assert_eq!(mexico.date(time, Language::English), "29 November 2026");
        assert_eq!(
            mexico.moment(time, Language::Spanish),
            "29 de noviembre de 2026, 4:32 a.m. (hora del centro de México)"
        );
        assert_eq!(mexico.moment(time, Language::English), "29 November 2026, 4:32 a.m. (central Mexico time)");
        assert_eq!(Clock::new(None).moment(time, Language::English), "29 November 2026, 10:32 a.m. (UTC)");
        assert_eq!(Clock::new(Some("No/Where")).moment(0, Language::English), "1 January 1970, 12:00 a.m. (UTC)");
        let kolkata = Clock::new(Some("Asia/Kolkata"));
        assert_eq!(kolkata.moment(time, Language::Spanish), "29 de noviembre de 2026, 4:02 p.m. (UTC+5:30)");
        assert_eq!(Clock::new(None).moment(i64::MAX, Language::English), i64::MAX.to_string());
    }
}
