//! Telling in time that a certificate ends: whoever renews it may have stopped doing so, and clients say nothing before they
//! refuse it.

use super::Inspected;
use std::path::Path;

/// A day, in seconds.
pub(super) const DAY_S: i64 = 86_400;
/// How long before its end somebody is told, in seconds: by then a certificate of 90 days has been renewed for weeks.
const NOTICE_S: i64 = 14 * DAY_S;
/// One that lives shortly is renewed in the last half or third of its life: it is told of in this part of it at most.
const NOTICE_PART: i64 = 4;

impl Inspected {
    /// Whether it has expired at a time, or will so soon after it that a renewal is late: in 14 days, or in a quarter of its
    /// life where that is less.
    pub fn ends_soon_at(&self, now_s: i64) -> bool {
        let life_s = self.not_after_s.saturating_sub(self.not_before_s).max(0);
        self.not_after_s.saturating_sub(now_s) < NOTICE_S.min(life_s / NOTICE_PART)
    }
}

/// Logs that a certificate [ends soon](Inspected::ends_soon_at) or has ended, if it does; whether it does. `chain` is its file.
pub fn log_expiry(chain: &Path, certificate: &Inspected, now_s: i64) -> bool {
    if !certificate.ends_soon_at(now_s) {
        return false;
    }
    let name = certificate.names.first().map(String::as_str).unwrap_or_default();
    let (file, left_s) = (chain.display(), certificate.not_after_s.saturating_sub(now_s));
    match left_s {
        ..0 => tracing::error!(name, %file, "a certificate has expired, and clients refuse it: renew it"),
        _ => tracing::warn!(name, %file, days_left = left_s / DAY_S, "a certificate expires soon: renew it"),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_near_when_a_renewal_is_late() {
        // Life in days, hours before the end (after it: negative), and whether it is near.
        for (days, hours_left, near) in [
            (90, 15 * 24, false),
            (90, 14 * 24, false),
            (90, 14 * 24 - 1, true),
            (90, 0, true),
            (90, -1, true),
            (3650, 15 * 24, false),
            (3650, 13 * 24, true),
            // Renewed in the last third: with 15 days left, and with two.
            (45, 12 * 24, false),
            (45, 11 * 24, true),
            (6, 48, false),
            (6, 35, true),
            (0, 1, false),
            (0, -1, true),
        ] {
            let inspected = Inspected {
                names: Vec::new(),
                not_before_s: 1_000,
                not_after_s: 1_000 + days * DAY_S,
                serial: vec![1],
                authority_key_identifier: None,
            };
            let now_s = inspected.not_after_s - hours_left * 3600;
            assert_eq!(inspected.ends_soon_at(now_s), near, "{days} days, {hours_left} hours left");
        }
    }
}
