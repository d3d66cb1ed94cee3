//! The date of a Date or Received field, for mail that has no other (RFC 5322 §3.3 and §4.3).
//!
//! ```text
//! date-time  = [ day-name "," ] day month year hour ":" minute [ ":" second ] [ zone ]
//! ```
//!
//! The parts tell themselves apart by their shape, so they are taken in any order in which the day stands before the
//! year; that covers C's `asctime`. Also taken: comments, `-` between day, month and year, years of two and three
//! digits, a colon inside the zone, no space before the zone, an offset after `GMT` or `UTC`, fractions of a second. A
//! zone that is absent or not known is UTC, as RFC 5322 §4.3 asks.

/// How many bytes of a value are looked at; a date takes far fewer.
const LIMIT_BYTES: usize = 256;

/// The months as English names them, January first.
pub const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The months as Spanish names them, January first.
pub const MONTHS_ES: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

/// The zones that RFC 5322 §4.3 gives a meaning other than UTC, with their offsets in hours.
const ZONES: [(&str, i64); 8] =
    [("EST", -5), ("EDT", -4), ("CST", -6), ("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8), ("PDT", -7)];

/// The time that a date field's value tells, in seconds since 1970 UTC; `None` when it tells none from the years 1900 to
/// 9999.
pub fn parse_date(value: &[u8]) -> Option<i64> {
    parse_date_and_offset(value).map(|(time, _)| time)
}

/// As [`parse_date`], with the zone's offset from UTC in seconds: added to the time, it gives the day and the hour as they
/// are written.
pub fn parse_date_and_offset(value: &[u8]) -> Option<(i64, i64)> {
    let text = without_comments(&value[..value.len().min(LIMIT_BYTES)]);
    // RFC 5322 §4.3: white space may stand about the colons.
    let text = text.split(':').map(str::trim).collect::<Vec<_>>().join(":");
    let (mut day, mut month, mut year, mut time_s) = (None, None, None, None);
    let (mut zone_s, mut offset_s) = (None, None);
    for word in text.split([' ', '\t', '\r', '\n', ',']).flat_map(parts_of_word) {
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            time_s = time_s.or(Some(second_of_day(word)?));
        } else if let Some(value) = number(word) {
            if day.is_none() {
                day = Some(value);
            } else {
                year = year.or(Some(year_of(value)));
            }
        } else if let Some(value) = offset(word) {
            offset_s = offset_s.or(Some(value));
        } else if month.is_none() {
            month = month_of(word);
        } else {
            zone_s = zone_s.or_else(|| zone(word));
        }
    }
    let (day, month, year) = (day?, month?, year?);
    if !(1900..=9999).contains(&year) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let offset_s = offset_s.or(zone_s).unwrap_or(0);
    Some((days_since_1970(year, month, day) * 86_400 + time_s? - offset_s, offset_s))
}

/// A value with its comments as spaces; one that does not end goes on to the end. Bytes that are not ASCII become
/// characters that no date holds.
fn without_comments(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut depth = 0_u32;
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => {
                depth -= 1;
                text.push(' ');
            }
            b'\\' if depth > 0 => drop(bytes.next()),
            _ if depth > 0 => {}
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// Cuts `23-Aug-2002` at its dashes, and `10:00:00-0700` and `GMT+0200` before the sign.
fn parts_of_word(word: &str) -> impl Iterator<Item = &str> {
    let is_date = word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains(':');
    let sign = word.find(['+', '-']).filter(|_| !is_date).unwrap_or(word.len());
    let (first, second) = word.split_at(sign);
    first.split('-').chain([second]).filter(|part| !part.is_empty())
}

fn number(word: &str) -> Option<i64> {
    (word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok())?
}

/// The month of a word, 1 to 12: its name, or the first three letters of it or more.
fn month_of(word: &str) -> Option<i64> {
    let is_start = |name: &str| word.len() >= 3 && name.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    MONTHS_EN.iter().zip(1..).find(|(name, _)| is_start(name)).map(|(_, month)| month)
}

/// A year in full. Those of two and three digits are read as RFC 5322 §4.3 says, with zeros before them too: broken clocks
/// of 2002 wrote 102 and 0102.
fn year_of(value: i64) -> i64 {
    match value {
        ..50 => value + 2000,
        50..1000 => value + 1900,
        _ => value,
    }
}

/// The second of the day; the leap second counts into the minute after.
fn second_of_day(time: &str) -> Option<i64> {
    let mut parts = time.split(':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), |s| number(s.split('.').next()?))?;
    (hour <= 23 && minute <= 59 && second <= 60 && parts.next().is_none()).then_some(hour * 3600 + minute * 60 + second)
}

fn zone(name: &str) -> Option<i64> {
    ZONES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, hours)| hours * 3600)
}

/// The seconds of `+hhmm`, `+hh:mm` or `+hh`.
fn offset(word: &str) -> Option<i64> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = word[1..].replace(':', "");
    let value = number(&digits)?;
    let (hours, minutes) = if digits.len() <= 2 { (value, 0) } else { (value / 100, value % 100) };
    (minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar since 1970-01-01; a year is counted from March, so that the leap day ends it.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}
