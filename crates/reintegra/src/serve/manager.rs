//! What the service manager is told (sd_notify), where there is one.

use sd_notify::NotifyState;
use std::time::Duration;

/// Beyond the sessions' grace: the store is put to rest.
const SETTLING: Duration = Duration::from_secs(60);

/// Everything is served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Certificates are read again; [`ready`] follows.
pub(super) fn reloading() {
    // Since systemd 253 the time belongs to it (`Type=notify-reload`); earlier ones pass over it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It ends, and sessions have so long to end: the manager is not to kill it before.
pub(super) fn stopping(grace: Duration) {
    let us = u32::try_from((grace + SETTLING).as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(us)]);
}

/// It is alive; to be said at least every [`watchdog`].
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often the manager wants to hear that it is alive: three times in the time after which it acts.
pub(super) fn watchdog() -> Option<Duration> {
    // Not by the library, which passes over a manager that does not say whom it watches (sd_watchdog_enabled(3)).
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if std::env::var_os("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(std::process::id().into()) {
        return None;
    }
    let us = number("WATCHDOG_USEC").filter(|us| *us > 0)?;
    Some(Duration::from_micros(us / 3).max(Duration::from_millis(1)))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
