//! Telling a client how far a long command is (RFC 9585).

use crate::session::core::Core;
use crate::syntax::{self, ResponseCode};
use std::time::{Duration, Instant};

/// RFC 9585 §4 recommends every 10 to 15 seconds.
const BETWEEN_REPORTS: Duration = Duration::from_secs(10);

/// When a command's progress was told last.
pub(in crate::command) struct Reports {
    last: Instant,
}

impl Reports {
    /// The command begins.
    pub(in crate::command) fn new() -> Self {
        Reports { last: Instant::now() }
    }

    /// Tells how far the running command is (how much is done, of how much), if the time has come.
    pub(in crate::command) fn tell(&mut self, core: &Core, (done, total): (usize, usize), out: &mut Vec<u8>) {
        if !core.offers("INPROGRESS") || !self.is_due(Instant::now()) {
            return;
        }
        let number = |count| u32::try_from(count).ok();
        let code = ResponseCode::InProgress { tag: core.tag.clone(), done: number(done), total: number(total) };
        syntax::write_status(out, None, "OK", Some(&code), "still at it");
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.last) >= BETWEEN_REPORTS;
        if due {
            self.last = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_every_ten_seconds() {
        let mut reports = Reports::new();
        let began = reports.last;
        let due: Vec<u64> = (0..60).filter(|s| reports.is_due(began + Duration::from_secs(*s))).collect();
        assert_eq!(due, [10, 20, 30, 40, 50]);
    }
}
