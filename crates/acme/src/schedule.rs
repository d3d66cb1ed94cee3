//! When a certificate is renewed, and when a failed attempt is repeated. Times are seconds since 1970, UTC.

use crate::settings::Pace;
use edge::tls::Inspected;
use std::time::Duration;

/// When a certificate is to be renewed: after two thirds of its life, less up to a thirtieth of it, so that those who got
/// theirs together do not come back together. `spread` says how much less, and is always the same for one certificate.
pub(crate) fn renewal_s(certificate: &Inspected, spread: u64) -> i64 {
    let life_s = (certificate.not_after_s - certificate.not_before_s).max(0);
    let share = i64::try_from(spread % 1000).unwrap_or(0);
    certificate.not_before_s + life_s / 3 * 2 - life_s / 30 * share / 1000
}

/// When it is to be renewed by what the server suggests (RFC 9773 §4.2): at some time between two, and not so late that a
/// failure could not be made good.
pub(crate) fn suggested_s(certificate: &Inspected, start_s: i64, end_s: i64, random: u64) -> Option<i64> {
    let width_s = end_s.checked_sub(start_s).filter(|width| *width > 0)?;
    let offset_s = i64::try_from(random % u64::try_from(width_s).ok()?).ok()?;
    let life_s = (certificate.not_after_s - certificate.not_before_s).max(0);
    Some((start_s + offset_s).min(certificate.not_after_s - life_s / 12))
}

/// After how long an attempt is repeated that failed for this many times: twice as long each time, a tenth more or less.
pub(crate) fn retry_after_s(pace: &Pace, failures: u32, random: u64) -> i64 {
    let doublings = failures.saturating_sub(1).min(20);
    let base = pace.first_retry.saturating_mul(1 << doublings).min(pace.longest_retry);
    // 0.9 to 1.1, in thousandths.
    let share = 900 + u32::try_from(random % 201).unwrap_or(0);
    seconds(base.saturating_mul(share) / 1000)
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    fn certificate(days: i64) -> Inspected {
        Inspected {
            names: Vec::new(),
            not_before_s: 1_000 * DAY_S,
            not_after_s: (1_000 + days) * DAY_S,
            serial: Vec::new(),
            authority_key_identifier: None,
        }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_or_a_little_before() {
        for spread in [0, 1, 999, 1_000, u64::MAX] {
            let day = renewal_s(&certificate(90), spread) as f64 / DAY_S as f64 - 1_000.0;
            assert!((57.0..=60.0).contains(&day), "{spread}: {day}");
        }
        assert_eq!(renewal_s(&certificate(6), 0), 1_004 * DAY_S);
        assert_eq!(renewal_s(&certificate(-1), 7), 1_000 * DAY_S, "one that was never valid");
    }

    #[test]
    fn the_server_may_say_another_time() {
        let (start, end) = (1_040 * DAY_S, 1_042 * DAY_S);
        for random in [0, 5, u64::MAX] {
            let at = suggested_s(&certificate(90), start, end, random).unwrap();
            assert!((start..end).contains(&at), "{random}");
        }
        let late = suggested_s(&certificate(90), 1_089 * DAY_S, 1_095 * DAY_S, 0).unwrap();
        assert!(late < 1_083 * DAY_S, "a failure can be made good");
        assert_eq!(suggested_s(&certificate(90), end, start, 0), None);
        assert_eq!(suggested_s(&certificate(90), i64::MIN, i64::MAX, 0), None);
    }

    #[test]
    fn attempts_become_rarer_up_to_a_bound() {
        let pace = Pace::default();
        let (first, longest) = (seconds(pace.first_retry), seconds(pace.longest_retry));
        let mid = |failures| retry_after_s(&pace, failures, 100);
        assert_eq!([mid(1), mid(2), mid(3)], [first, 2 * first, 4 * first]);
        assert_eq!([mid(20), mid(u32::MAX)], [longest, longest]);
        for random in [0, 200, 12_345, u64::MAX] {
            let after = retry_after_s(&pace, 1, random);
            assert!((first * 9 / 10..=first * 11 / 10).contains(&after), "{random}");
        }
    }
}
