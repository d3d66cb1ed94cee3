//! The queue as others see it: mail is put into it, and operators act on it.

use crate::hops::Hops;
use crate::job::Deliver;
use crate::settings::QueueSettings;
use message::examine;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use store::spool::{DeliveryId, Envelope, NewMail, NewRecipient, Notify, Purpose, QueueId, Spool};
use store::{Prepared, StoreError};

/// Tells the time, in seconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Mail on its way out. It is put in by any thread, and sent by [`Queue::run`].
pub struct Queue {
    pub(crate) spool: Arc<Spool>,
    pub(crate) settings: QueueSettings,
    pub(crate) clock: Clock,
    /// Tells the runner that something may be due.
    pub(crate) wake: tokio::sync::Notify,
    hops: Mutex<Hops>,
}

/// Where hops lead.
#[derive(Clone)]
pub struct Routes {
    /// Whether a hop is a domain that is hosted here. Called where it may block.
    pub is_local: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Delivers to hosted domains.
    pub local: Arc<dyn Deliver>,
    /// Delivers to other servers.
    pub out: Arc<dyn Deliver>,
}

impl Queue {
    /// A queue over a spool.
    pub fn new(spool: Arc<Spool>, settings: QueueSettings) -> Arc<Self> {
        let now =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0));
        Self::with_clock(spool, settings, Arc::new(now))
    }

    /// As [`Queue::new`], with a clock of the caller's; a clock that jumps is followed when the queue is woken.
    pub fn with_clock(spool: Arc<Spool>, settings: QueueSettings, clock: Clock) -> Arc<Self> {
        Arc::new(Queue {
            hops: Mutex::new(Hops::new(settings.schedule, settings.limits)),
            spool,
            settings,
            clock,
            wake: tokio::sync::Notify::new(),
        })
    }

    /// Puts mail into the queue; it is durable on return. Mail with a key is put for those of its recipients for whom it was
    /// not put before, or who failed since. Blocks.
    ///
    /// # Errors
    /// When it cannot be written: nothing is in the queue then.
    pub fn put(&self, mail: Vec<NewMail>) -> Result<Vec<QueueId>, StoreError> {
        let ids = self.spool.put(mail)?;
        self.wake.notify_one();
        Ok(ids)
    }

    /// What is said of a message that comes now: its times follow from its purpose, and nobody said anything else.
    pub fn envelope(&self, purpose: Purpose, reverse_path: &str) -> Envelope {
        let arrived_s = (self.clock)();
        Envelope {
            reverse_path: reverse_path.to_owned(),
            purpose,
            account: None,
            envelope_id: None,
            returns: None,
            smtputf8: false,
            require_tls: false,
            arrived_s,
            expires_s: arrived_s.saturating_add(self.settings.lifetimes.of(purpose)),
        }
    }

    /// A message for [`Queue::put`], due at once: packs its bytes, which are in CRLF form.
    pub fn mail(key: Option<DeliveryId>, envelope: Envelope, recipients: Vec<NewRecipient>, message: &[u8]) -> NewMail {
        let due_s = envelope.arrived_s;
        NewMail { key, envelope, recipients, due_s, message: Prepared::new(message, &examine(message)) }
    }

    /// Looks at once whether something is due.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The spool that the queue is over.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// What the operator chose.
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    pub(crate) fn now_s(&self) -> i64 {
        (self.clock)()
    }

    /// What is known of hops, and which messages are being tried. Whoever takes recipients to try them, and whoever changes
    /// what becomes of them, holds it meanwhile: so nobody changes what is being tried.
    pub(crate) fn hops(&self) -> MutexGuard<'_, Hops> {
        self.hops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A recipient whom the sender is told about as if nobody had asked for anything else; `None` where the text is no address.
pub fn recipient(address: &str) -> Option<NewRecipient> {
    let hop = hop_of(address)?;
    Some(NewRecipient { address: address.to_owned(), hop, notify: Notify::DEFAULT, original: None, hidden: false })
}

/// What a recipient waits for: its domain in lower case and ASCII form, or the address literal; `None` where the text is no
/// address, or its domain none that DNS could have.
pub fn hop_of(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    if domain.starts_with('[') {
        return domain.ends_with(']').then(|| domain.to_ascii_lowercase());
    }
    dns::ascii(domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_wait_for_their_domain_in_ascii_and_lower_case() {
        assert_eq!(hop_of("ana@Example.ORG").as_deref(), Some("example.org"));
        assert_eq!(hop_of("ana@example.org.").as_deref(), Some("example.org"));
        assert_eq!(hop_of("\"a@b\"@example.org").as_deref(), Some("example.org"));
        assert_eq!(hop_of("josé@Ñandú.example").as_deref(), Some("xn--and-6ma2c.example"));
        assert_eq!(hop_of("a@[IPv6:2001:DB8::1]").as_deref(), Some("[ipv6:2001:db8::1]"));
        for none in ["", "ana", "@example.org", "ana@", "ana@.", "ana@[1.2.3.4", &format!("a@{}", "x.".repeat(200))] {
            assert_eq!(hop_of(none), None, "{none}");
        }
    }
}
