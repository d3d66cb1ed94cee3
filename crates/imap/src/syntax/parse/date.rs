//! Dates of APPEND and SEARCH.

use super::cursor::{Cursor, Failure, Parsed};
use super::quirk::Quirk;
use jiff::civil::{Date, date};
use message::MONTHS_EN;

/// Seconds since 1970 UTC.
///
/// ```text
/// date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
/// date-day-fixed = (SP DIGIT) / 2DIGIT
/// time           = 2DIGIT ":" 2DIGIT ":" 2DIGIT
/// zone           = ("+" / "-") 4DIGIT
/// ```
pub(super) fn date_time(c: &mut Cursor<'_>) -> Parsed<i64> {
    let at = c.at();
    c.expect(b'"', "a date was expected")?;
    let padded = c.eat(b' ');
    let day = c.take_while(|byte| byte.is_ascii_digit());
    match (padded, day.len()) {
        (true, 1) | (false, 2) => {}
        (false, 1) => c.tolerate(Quirk::ShortDay)?,
        _ => return Err(c.failure("the date's day was expected")),
    }
    let days = month_and_year(c, value(day), at)?;
    c.sp()?;
    let hours = digits(c, 2, 23)?;
    c.expect(b':', "the date's time was expected")?;
    let minutes = digits(c, 2, 59)?;
    c.expect(b':', "the date's time was expected")?;
    // 60 is a leap second (RFC 5322 §3.3).
    let seconds = digits(c, 2, 60)?;
    c.sp()?;
    let sign = match c.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(c.failure("the date's zone was expected")),
    };
    c.skip();
    let zone_s = sign * (digits(c, 2, 99)? * 3600 + digits(c, 2, 59)? * 60);
    c.expect(b'"', "the date does not end")?;
    Ok(days * 86_400 + hours * 3600 + minutes * 60 + seconds - zone_s)
}

/// Days since 1970.
///
/// ```text
/// date      = date-text / DQUOTE date-text DQUOTE
/// date-text = date-day "-" date-month "-" date-year
/// date-day  = 1*2DIGIT
/// ```
pub(super) fn search_date(c: &mut Cursor<'_>) -> Parsed<i64> {
    let at = c.at();
    let quoted = c.eat(b'"');
    let day = c.take_while(|byte| byte.is_ascii_digit());
    if !(1..=2).contains(&day.len()) {
        return Err(c.failure("the date's day was expected"));
    }
    let days = month_and_year(c, value(day), at)?;
    if quoted {
        c.expect(b'"', "the date does not end")?;
    }
    Ok(days)
}

/// The rest of a day that began at `at`, as days since 1970.
///
/// ```text
/// date-month = "Jan" / "Feb" / "Mar" / "Apr" / "May" / "Jun" / "Jul" / "Aug" / "Sep" / "Oct" / "Nov" / "Dec"
/// date-year  = 4DIGIT
/// ```
fn month_and_year(c: &mut Cursor<'_>, day: i64, at: usize) -> Parsed<i64> {
    c.expect(b'-', "the date's month was expected")?;
    let name = c.take_while(|byte| byte.is_ascii_alphabetic());
    let month = MONTHS_EN.iter().position(|month| month.as_bytes()[..3].eq_ignore_ascii_case(name));
    let month = month.ok_or_else(|| c.failure("the date's month is not known"))?;
    c.expect(b'-', "the date's year was expected")?;
    let year = digits(c, 4, 9999)?;
    let fits = |number: i64| i8::try_from(number).ok();
    let date = fits(day).zip(fits(month as i64 + 1)).zip(i16::try_from(year).ok());
    let date = date.and_then(|((day, month), year)| Date::new(year, month, day).ok());
    let date = date.ok_or_else(|| Failure { at, ..c.failure("there is no such day") })?;
    Ok(days_since_1970(date))
}

fn days_since_1970(day: Date) -> i64 {
    day.duration_since(date(1970, 1, 1)).as_hours() / 24
}

/// A number of just so many digits.
fn digits(c: &mut Cursor<'_>, count: usize, most: i64) -> Parsed<i64> {
    let mut number = 0;
    for _ in 0..count {
        match c.peek() {
            Some(digit @ b'0'..=b'9') => number = number * 10 + i64::from(digit - b'0'),
            _ => return Err(c.failure("a digit of the date was expected")),
        }
        c.skip();
    }
    if number > most {
        return Err(c.failure("there is no such time"));
    }
    Ok(number)
}

fn value(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}
