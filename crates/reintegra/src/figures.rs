//! Figures as people read them: counts, sizes, durations, times.

use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// A number with its thousands set apart.
pub(crate) struct Count(pub(crate) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A number of things: `1 message`, `2,000 messages`.
pub(crate) struct Things(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Things {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Things(count, one) = *self;
        write!(f, "{} {one}{}", Count(count), if count == 1 { "" } else { "s" })
    }
}

/// Bytes in decimal units, three digits: `873 MB`, `1.25 GB`.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64;
        let mut unit = "";
        for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            // What rounding would show as 1000 is 1.00 of the next unit.
            if value < 999.5 {
                break;
            }
            (value, unit) = (value / 1000.0, next);
        }
        let decimals = if value < 9.995 {
            2
        } else if value < 99.95 {
            1
        } else {
            0
        };
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

/// A duration: `3.1 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..60 => write!(f, "{:.1} s", (self.0.as_secs_f64() * 10.0).floor() / 10.0),
            s @ 60..3600 => write!(f, "{} min {} s", s / 60, s % 60),
            s => write!(f, "{} h {} min", s / 3600, s % 3600 / 60),
        }
    }
}

/// A time in seconds since 1970 UTC as RFC 3339 writes it; `None` outside its calendar.
pub(crate) fn rfc3339(seconds: i64) -> Option<String> {
    let time = Timestamp::from_second(seconds).ok()?.to_string();
    // RFC 3339 has four digits for the year and no sign.
    time.starts_with(|c: char| c.is_ascii_digit()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::{Count, Size, Things, Took, rfc3339};
    use std::time::Duration;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1000, 20_000, 1_234_567].map(|n| Count(n).to_string());
        assert_eq!(texts, ["0", "999", "1,000", "20,000", "1,234,567"]);
        assert_eq!(format!("{:>6}|", Count(1000)), " 1,000|");
        assert_eq!(Things(1, "message").to_string(), "1 message");
        assert_eq!(Things(2000, "message").to_string(), "2,000 messages");
    }

    #[test]
    fn sizes_have_three_digits() {
        let texts = [0, 999, 1000, 9_994, 12_340, 873_000_000, 999_600_000, u64::MAX].map(|n| Size(n).to_string());
        assert_eq!(texts, ["0 B", "999 B", "1.00 kB", "9.99 kB", "12.3 kB", "873 MB", "1.00 GB", "18.4 EB"]);
    }

    #[test]
    fn durations_are_as_fine_as_they_are_short() {
        let texts = [0.0, 3.16, 59.99, 125.0, 3780.0].map(|s| Took(Duration::from_secs_f64(s)).to_string());
        assert_eq!(texts, ["0.0 s", "3.1 s", "59.9 s", "2 min 5 s", "1 h 3 min"]);
    }

    #[test]
    fn times_outside_the_calendar_have_no_text() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(rfc3339(i64::MIN), None);
        assert_eq!(rfc3339(i64::MAX), None);
    }
}
