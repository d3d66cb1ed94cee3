//! Dates of header fields by table.

use message::parse_date;
use proptest::prelude::*;

const DATES: [(&str, i64); 31] = [
    ("Thu, 01 Jan 1970 00:00:00 +0000", 0),
    ("Thu, 1 Jan 1970 00:00 +0000", 0),
    // RFC 5322 appendix A.1.1, A.5, A.6.2 and A.6.3.
    ("Fri, 21 Nov 1997 09:55:06 -0600", 880_127_706),
    ("Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)", -27_723_480),
    ("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330", -27_723_480),
    ("21 Nov 97 09:55:06 GMT", 880_106_106),
    ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880_127_706),
    ("Tue, 9 Jul 2013 18:00:00 +0000", 1_373_392_800),
    ("Tue, 9 Jul 2013 13:00:00 -0500 (CDT)", 1_373_392_800),
    ("Tue, 09 Jul 2013 13:00:00 CDT", 1_373_392_800),
    ("tue, 09 JUL 2013 14:00:00 edt", 1_373_392_800),
    ("Tue, 9 July 2013 11:00:00 PDT", 1_373_392_800),
    ("Martes, 9 Jul 2013 18:00:00 UT", 1_373_392_800),
    ("9 Jul 2013 18:00:00 Z", 1_373_392_800),
    ("9 Jul 2013 18:00:00", 1_373_392_800),
    ("9 Jul 2013 18:00:00 XYZ", 1_373_392_800),
    ("9 Jul 2013 18:00:00 A", 1_373_392_800),
    ("9 Jul 13 18:00:00 +0000", 1_373_392_800),
    ("9 Jul 113 18:00:00 +0000", 1_373_392_800),
    ("9 Jul 0113 18:00:00 +0000", 1_373_392_800),
    ("9-Jul-2013 20:00:00 +0200", 1_373_392_800),
    ("Tue, 9 Jul 2013 20:00:00 +02:00", 1_373_392_800),
    ("Tue, 9 Jul 2013 20:00:00+0200", 1_373_392_800),
    ("Tue, 9 Jul 2013 20:00:00 GMT+0200", 1_373_392_800),
    ("Tue, 9 Jul 2013 20:00:00 GMT +0200", 1_373_392_800),
    ("Tue Jul  9 18:00:00 2013", 1_373_392_800),
    ("Tue Jul  9 14:00:00 EDT 2013", 1_373_392_800),
    ("(a (nested) \\) comment) 9 (x) Jul 2013 18:00:00.123 +0000", 1_373_392_800),
    ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_800),
    ("29 Feb 2000 00:00:00 +0000", 951_782_400),
    ("31 Dec 9999 23:59:59 +0000", 253_402_300_799),
];

#[test]
fn dates_by_table() {
    for (value, seconds) in DATES {
        assert_eq!(parse_date(value.as_bytes()), Some(seconds), "{value}");
    }
}

#[test]
fn no_date_is_no_date() {
    for value in [
        "",
        "today",
        "9 Jul 2013",
        "18:00:00",
        "30 Feb 2013 18:00:00 +0000",
        "29 Feb 1900 18:00:00 +0000",
        "0 Jul 2013 18:00:00 +0000",
        "9 Jul 2013 24:00:00 +0000",
        "9 Jul 2013 18:60:00 +0000",
        "9 Jul 2013 18 +0000",
        "9 Jul 1899 18:00:00 +0000",
        "9 Foo 2013 18:00:00 +0000",
        "99999999999999999999 Jul 2013 18:00:00 +0000",
        "9 Jul 2013 99999999999999999999:00:00 +0000",
        "(9 Jul 2013 18:00:00 +0000",
        "2013-07-09T18:00:00Z",
    ] {
        assert_eq!(parse_date(value.as_bytes()), None, "{value}");
    }
}

proptest! {
    #[test]
    fn days_follow_on_days(day in -25_567_i64..2_932_896) {
        let (year, month, date) = civil(day);
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let value = format!("{date} {} {year} 12:34:56 +0000", MONTHS[month]);
        prop_assert_eq!(parse_date(value.as_bytes()), Some(day * 86_400 + 45_296));
    }

    #[test]
    fn garbage_is_no_trouble(value in "[0-9JulMar:+, ()\\\\\u{e9}-]{0,40}") {
        parse_date(value.as_bytes());
    }
}

/// The date of a day since 1970, found by counting whole years and months.
fn civil(mut day: i64) -> (i64, usize, i64) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while day < 0 {
        year -= 1;
        day += if leap(year) { 366 } else { 365 };
    }
    while day >= if leap(year) { 366 } else { 365 } {
        day -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month, day + 1)
}
