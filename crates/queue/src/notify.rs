//! Who is told what was judged, and how that is put into the queue.

use crate::dsn::{self, Dsn, Fate, Kind};
use crate::judge::{Judged, Notice};
use crate::queue::{Queue, hop_of};
use crate::settings::QueueSettings;
use std::borrow::Cow;
use store::spool::{DeliveryId, NewMail, NewRecipient, Notify, Purpose, QueueId, Queued, Return, Settled, Settlement};

/// Who is told.
#[derive(Debug, PartialEq, Eq)]
enum To {
    /// The sender.
    Sender(String),
    /// Whoever the operator named, because there is no sender who can be told.
    Postmaster(String),
    /// Nobody can be: the message waits for the operator for a while, so that it is not lost without a word.
    Operator,
}

impl Queue {
    /// What is written for what was judged. `bytes` gives the message's bytes; it is called where something is told.
    pub(crate) fn settlements<E>(
        &self,
        message: &Queued,
        judged: Judged,
        now_s: i64,
        bytes: impl FnOnce() -> Result<std::sync::Arc<Vec<u8>>, E>,
    ) -> Result<Vec<Settlement>, E> {
        let mut settlement = Settlement { id: message.id, recipients: judged.settled, then: Vec::new() };
        let mut held = Vec::new();
        let mut told = Vec::new();
        let mut hold = |notice: Notice| {
            metrics::counter!("reintegra_queue_untold_total").increment(1);
            tracing::warn!(id = %message.id, "a message that cannot be delivered has nobody to be told: it is held");
            held.extend(notice.fates.into_iter().map(|(number, fate)| (number, fate.said)));
        };
        for notice in judged.notices {
            match addressee(&self.settings, message, &notice, now_s) {
                To::Sender(address) => told.push((address, false, notice)),
                To::Postmaster(address) => told.push((address, true, notice)),
                // What is no failure is done without a word: there is nobody who asked.
                To::Operator if notice.kind != Kind::Failed => {}
                To::Operator => hold(notice),
            }
        }
        if !told.is_empty() {
            let bytes = bytes()?;
            for (address, to_postmaster, notice) in told {
                // One that the postmaster sends on, to where it fails, does not come back as another.
                if to_postmaster && dsn::is_for(&bytes, &self.settings.hostname, &address) {
                    hold(notice);
                    continue;
                }
                settlement.then.push(self.notification(message, &bytes, &address, to_postmaster, notice, now_s));
            }
        }
        if held.is_empty() {
            return Ok(vec![settlement]);
        }
        // First what was said, then that it is held.
        let last_words = |(number, said): &(u32, String)| {
            (*number, Settled::Again { due_s: now_s, said: said.clone(), delay_told: false })
        };
        settlement.recipients.retain(|(number, _)| !held.iter().any(|(held, _)| held == number));
        settlement.recipients.extend(held.iter().map(last_words));
        let until_s = Some(now_s.saturating_add(self.settings.lifetimes.untold_s));
        let hold = held.iter().map(|(number, _)| (*number, Settled::Held { until_s })).collect();
        Ok(vec![settlement, Settlement { id: message.id, recipients: hold, then: Vec::new() }])
    }

    fn notification(
        &self,
        message: &Queued,
        bytes: &[u8],
        address: &str,
        to_postmaster: bool,
        notice: Notice,
        now_s: i64,
    ) -> NewMail {
        let (kind, what) = match notice.kind {
            Kind::Failed if to_postmaster => (b'p', "double"),
            Kind::Failed => (b'f', "failed"),
            Kind::Delayed => (b'd', "delayed"),
            Kind::Success => (b's', "success"),
        };
        metrics::counter!("reintegra_queue_notifications_total", "kind" => what).increment(1);
        let key = key(message.id, kind, notice.fates.iter().map(|(number, _)| *number));
        let fates = notice.fates.into_iter().map(|(_, fate)| fate);
        // The postmaster is to know where it went.
        let fates: Vec<Fate> = if to_postmaster { fates.collect() } else { fates.map(Fate::for_the_sender).collect() };
        let shown = if to_postmaster { Cow::Borrowed(bytes) } else { dsn::without_ways(bytes, &fates) };
        let QueueSettings { hostname, sign, .. } = &self.settings;
        let envelope = &message.envelope;
        let mut dsn = dsn::build(&Dsn {
            kind: notice.kind,
            hostname,
            to: address,
            to_postmaster,
            name: key.0,
            now_s,
            envelope_id: envelope.envelope_id.as_deref(),
            arrived_s: envelope.arrived_s,
            expires_s: envelope.expires_s,
            // The postmaster's copy is the only one that is left.
            full: to_postmaster || envelope.returns == Some(Return::Full),
            smtputf8: envelope.smtputf8,
            fates: &fates,
            message: &shown,
        });
        if let Some(sign) = sign {
            dsn = [sign(&dsn), dsn].concat();
        }
        let mut out = self.envelope(Purpose::Notification, "");
        out.smtputf8 = !address.is_ascii();
        let hop = hop_of(address).expect("whoever is told has an address");
        let recipient =
            NewRecipient { address: address.to_owned(), hop, notify: Notify::NEVER, original: None, hidden: false };
        Queue::mail(Some(key), out, vec![recipient], &dsn)
    }
}

/// Who is told: never the sender of what has none, and of what could come back here for ever.
fn addressee(settings: &QueueSettings, message: &Queued, notice: &Notice, now_s: i64) -> To {
    let reverse_path = message.envelope.reverse_path.as_str();
    if !reverse_path.is_empty() {
        // What we wrote over the sender's own path leads straight back to it.
        let sender = match settings.srs.as_ref().filter(|srs| srs.is_ours(reverse_path)) {
            Some(srs) => srs.back(reverse_path, now_s).ok(),
            None => Some(reverse_path.to_owned()),
        };
        if let Some(sender) = sender.filter(|sender| hop_of(sender).is_some()) {
            return To::Sender(sender);
        }
    }
    let failed_itself =
        |postmaster: &str| notice.fates.iter().any(|(_, fate)| fate.address.eq_ignore_ascii_case(postmaster));
    match &settings.postmaster {
        Some(postmaster)
            if notice.kind == Kind::Failed && !failed_itself(postmaster) && hop_of(postmaster).is_some() =>
        {
            To::Postmaster(postmaster.clone())
        }
        _ => To::Operator,
    }
}

/// Names a notification by what it tells: told again after a crash, it is not sent again.
fn key(id: QueueId, kind: u8, numbers: impl Iterator<Item = u32>) -> DeliveryId {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    DeliveryId::of("reintegra 2026 queue notification", &[&id.number().to_be_bytes(), &[kind], &numbers])
}
