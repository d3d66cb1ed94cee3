//! Dates as tests and mail write them (RFC 5260 §4, RFC 5322 §3.3).

use crate::program::DatePart;

const DAY_S: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/// 1970-01-01 as a modified Julian day.
const EPOCH_MJD: i64 = 40_587;
/// The last second that has a year of four digits; a zone may add a day.
const MAX_TIME_S: i64 = 253_402_214_400;
/// The first second of the year 1, likewise.
const MIN_TIME_S: i64 = -62_135_510_400;

/// A moment as a clock and a calendar of a zone show it.
struct Moment {
    days: i64,
    year: i64,
    month: usize,
    day: i64,
    second: i64,
    offset_s: i64,
}

impl Moment {
    fn new(time_s: i64, offset_s: i64) -> Self {
        let local_s = time_s.clamp(MIN_TIME_S, MAX_TIME_S) + offset_s;
        let days = local_s.div_euclid(DAY_S);
        // Years counted from March, in eras of 400.
        let from_march = days + 719_468;
        let (era, day_of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year_of_era + i64::from(month >= 10);
        let month = usize::try_from((month + 2) % 12).expect("a remainder of 12 is small");
        Moment { days, year, month, day, second: local_s.rem_euclid(DAY_S), offset_s }
    }

    fn weekday(&self) -> usize {
        usize::try_from((self.days + 4).rem_euclid(7)).expect("a remainder of 7 is small")
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month + 1, self.day)
    }

    fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.second / 3600, self.second / 60 % 60, self.second % 60)
    }

    fn zone(&self, colon: &str) -> String {
        let sign = if self.offset_s < 0 { '-' } else { '+' };
        let minutes = self.offset_s.abs() / 60;
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }

    fn rfc5322(&self) -> String {
        let (weekday, month) = (WEEKDAYS[self.weekday()], MONTHS[self.month]);
        format!("{weekday}, {:02} {month} {:04} {} {}", self.day, self.year, self.time(), self.zone(""))
    }
}

/// A part of a moment as RFC 5260 §4.2 writes it.
pub(super) fn part_of(part: DatePart, time_s: i64, offset_s: i64) -> String {
    let moment = Moment::new(time_s, offset_s);
    match part {
        DatePart::Year => format!("{:04}", moment.year),
        DatePart::Month => format!("{:02}", moment.month + 1),
        DatePart::Day => format!("{:02}", moment.day),
        DatePart::Date => moment.date(),
        DatePart::Julian => (moment.days + EPOCH_MJD).to_string(),
        DatePart::Hour => format!("{:02}", moment.second / 3600),
        DatePart::Minute => format!("{:02}", moment.second / 60 % 60),
        DatePart::Second => format!("{:02}", moment.second % 60),
        DatePart::Time => moment.time(),
        DatePart::Iso8601 if offset_s == 0 => format!("{}T{}Z", moment.date(), moment.time()),
        DatePart::Iso8601 => format!("{}T{}{}", moment.date(), moment.time(), moment.zone(":")),
        DatePart::Std11 => moment.rfc5322(),
        DatePart::Zone => moment.zone(""),
        DatePart::Weekday => moment.weekday().to_string(),
    }
}

/// A date-time of RFC 5322.
pub(crate) fn rfc5322(time_s: i64, offset_s: i64) -> String {
    Moment::new(time_s, offset_s).rfc5322()
}

/// The offset in seconds that `+hhmm` or `-hhmm` names.
pub(crate) fn zone_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DatePart as P;

    #[test]
    fn parts_by_table() {
        // Thu, 12 Feb 2009 15:31:30 UTC.
        let time_s = 1_234_452_690;
        let table = [
            (P::Year, "2009"),
            (P::Month, "02"),
            (P::Day, "13"),
            (P::Date, "2009-02-13"),
            (P::Julian, "54875"),
            (P::Hour, "01"),
            (P::Minute, "01"),
            (P::Second, "30"),
            (P::Time, "01:01:30"),
            (P::Iso8601, "2009-02-13T01:01:30+09:30"),
            (P::Std11, "Fri, 13 Feb 2009 01:01:30 +0930"),
            (P::Zone, "+0930"),
            (P::Weekday, "5"),
        ];
        for (part, expected) in table {
            assert_eq!(part_of(part, time_s, 34_200), expected, "{part:?}");
        }
        assert_eq!(part_of(P::Iso8601, 951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(part_of(P::Std11, 0, -5400), "Wed, 31 Dec 1969 22:30:00 -0130");
        assert_eq!(part_of(P::Date, i64::MAX, 0), "9999-12-31");
        assert_eq!(part_of(P::Date, i64::MIN, -86_000), "0001-01-01");
    }

    #[test]
    fn zones_by_table() {
        let table = [("+0100", Some(3600)), ("-0930", Some(-34_200)), ("0100", None), ("+2400", None), ("+1é", None)];
        for (text, offset) in table {
            assert_eq!(zone_offset(text), offset, "{text}");
        }
    }
}
