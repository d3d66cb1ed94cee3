//! The line `From sender date` that stands before every message of an mbox.
//!
//! Writers agree on the first five bytes and on little else. A line is taken as a postmark only when a date can be read
//! where one belongs and nothing but a known trailer follows it: prose that begins with "From " passes no such test.
//!
//! ```text
//! postmark  = "From " [sender] date [zone] ["(" comment ")"] ["remote from " host]
//! sender    = "-" / address / quoted "@" domain / local " at " domain      ; list archives hide the @
//! date      = [weekday] month day time [zone] year                         ; asctime(3), also without seconds
//!           / [weekday ","] day month year time                            ; RFC 5322 §3.3
//! ```

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// What every postmark begins with.
pub(super) const PREFIX: &[u8] = b"From ";

/// The longest line that is taken as a postmark, line ending included: a reverse-path of RFC 5321 §4.5.3.1.3 and a date
/// need far less.
pub(super) const MAX_LINE_BYTES: usize = 1024;

/// The date of a postmark line in seconds since 1970 UTC (as UTC where it has no zone), or `None` when the line is no
/// postmark.
pub(super) fn date_of(line: &[u8]) -> Option<i64> {
    let rest = String::from_utf8_lossy(text_of(line)?);
    let words: Vec<&str> = rest.split_ascii_whitespace().take(24).collect();
    (0..words.len())
        .find(|&at| is_sender(&words[..at]) && read_date(&words[at..]).is_some_and(|d| is_trailer(d.rest)))
        .and_then(|at| read_date(&words[at..]))
        .map(|d| d.seconds)
}

/// Whether a line is a postmark whose writer left the date out: `From sender`.
pub(super) fn is_dateless(line: &[u8]) -> bool {
    text_of(line).is_some_and(|text| text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() == 1)
}

/// What stands behind `From `; zeros are the hole of a crash and never part of a postmark.
fn text_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(PREFIX).filter(|text| !text.contains(&0))
}

fn is_sender(words: &[&str]) -> bool {
    match words {
        [] | [_] => true,
        [_, "at", _] => true,
        [first, .., last] => first.starts_with('"') && last.contains('"'),
    }
}

fn is_trailer(words: &[&str]) -> bool {
    match words {
        [] | ["remote", "from", _] => true,
        [first, .., last] => first.starts_with('(') && last.ends_with(')'),
        [only] => only.starts_with('(') && only.ends_with(')'),
    }
}

/// A date and the words after it.
struct Dated<'a> {
    seconds: i64,
    rest: &'a [&'a str],
}

fn read_date<'a>(words: &'a [&'a str]) -> Option<Dated<'a>> {
    let words = match words.split_first() {
        Some((first, rest)) if is_weekday(first) => rest,
        _ => words,
    };
    let (year, month, day, time, zone, rest) = match words {
        [month, day, time, year, rest @ ..] if month_number(month).is_some() && year_number(year).is_some() => {
            (year, month, day, time, None, rest)
        }
        [month, day, time, zone, year, rest @ ..] if month_number(month).is_some() => {
            (year, month, day, time, Some(zone_seconds(zone)?), rest)
        }
        [day, month, year, time, rest @ ..] => (year, month, day, time, None, rest),
        _ => return None,
    };
    let (zone, rest) = match (zone, rest) {
        (None, [after, rest @ ..]) => match zone_seconds(after) {
            Some(seconds) => (seconds, rest),
            None => (0, &words[words.len() - rest.len() - 1..]),
        },
        (zone, rest) => (zone.unwrap_or(0), rest),
    };
    let date = Date::new(year_number(year)?, month_number(month)?, day_number(day)?).ok()?;
    let local = DateTime::from_parts(date, time_of_day(time)?);
    let seconds = Offset::from_seconds(zone).ok()?.to_timestamp(local).ok()?.as_second();
    Some(Dated { seconds, rest })
}

fn is_weekday(word: &str) -> bool {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let word = word.strip_suffix(',').unwrap_or(word);
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(word))
}

fn month_number(word: &str) -> Option<i8> {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(NAMES).find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(number, _)| number)
}

fn year_number(word: &str) -> Option<i16> {
    let year = number(word).filter(|_| word.len() == 4)?;
    (1970..).contains(&year).then_some(year)
}

fn day_number(word: &str) -> Option<i8> {
    number(word).filter(|_| word.len() <= 2)
}

/// `22:33:52` or `22:33`; a leap second counts as the second before it.
fn time_of_day(word: &str) -> Option<Time> {
    let mut parts = word.split(':');
    let mut part = || parts.next().map(|p| number(p).filter(|_| p.len() <= 2));
    let (hour, minute, second) = (part()??, part()??, part().unwrap_or(Some(0))?);
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, if second == 60 { 59 } else { second }, 0).ok()
}

fn number<T: std::str::FromStr>(word: &str) -> Option<T> {
    if word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None }
}

/// Seconds east of UTC: `+0100`, or a name in capitals. A name that is not known to mean one offset counts as UTC, as RFC 5322
/// §4.3 asks of readers.
fn zone_seconds(word: &str) -> Option<i32> {
    const HOURS: [(&str, i32); 20] = [
        ("UT", 0),
        ("UTC", 0),
        ("GMT", 0),
        ("Z", 0),
        ("WET", 0),
        ("WEST", 1),
        ("BST", 1),
        ("CET", 1),
        ("MET", 1),
        ("CEST", 2),
        ("MEST", 2),
        ("EET", 2),
        ("EEST", 3),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("PDT", -7),
        ("PST", -8),
    ];
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let value: i32 = number(digits).filter(|_| digits.len() == 4)?;
        let seconds = (value / 100) * 3600 + (value % 100) * 60;
        return Some(if word.starts_with('-') { -seconds } else { seconds });
    }
    if !(1..=5).contains(&word.len()) || !word.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    HOURS.iter().find(|(name, _)| *name == word).map_or(Some(0), |(_, hours)| Some(hours * 3600))
}
