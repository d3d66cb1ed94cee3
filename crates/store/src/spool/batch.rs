//! A group of messages on its way into the spool: looked at, appended to the log, and put into the index behind it.

use super::meta::{GROWTH_BYTES, Meta};
use super::rows::{self, Change, Stored};
use super::types::{DeliveryId, NewMail, NewRecipient, QueueId, Queued, Recipient, State};
use crate::error::StoreError;
use crate::segment::log::Log;
use crate::segment::payload::Payload;
use crate::segment::record::{HEAD_LEN, Kind, MAX_META_LEN};
use crate::types::Place;
use message::Digest;
use rusqlite::Connection;
use std::borrow::Borrow;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, StoreError>;

/// Messages on their way.
pub(super) struct Batch {
    next_id: i64,
    keys: HashMap<DeliveryId, QueueId>,
    rows: Vec<(Stored, Vec<Recipient>)>,
}

/// What is to be done about a message.
pub(super) enum Admitted {
    /// It was put in before for all of its recipients; for the first under this number.
    Known(QueueId),
    /// It was not, for those that it names.
    New(Box<Meta>, Vec<u8>),
}

impl Batch {
    /// Begins with the number that the next message gets.
    pub(super) fn new(next_id: i64) -> Self {
        Batch { next_id, keys: HashMap::new(), rows: Vec::new() }
    }

    /// The number that the next message gets.
    pub(super) fn next_id(&self) -> i64 {
        self.next_id
    }

    /// Looks at messages before anything of them is written.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when one cannot be kept; the batch is then as it was.
    pub(super) fn admit<M: Borrow<NewMail>>(&self, db: &Connection, mail: &[M]) -> Result<Vec<Admitted>> {
        let mut next_id = self.next_id;
        let mut keys: HashMap<DeliveryId, QueueId> = HashMap::new();
        let mut admitted = Vec::with_capacity(mail.len());
        for mail in mail.iter().map(Borrow::borrow) {
            if mail.recipients.is_empty() || mail.message.payload.is_none() {
                return Err(StoreError::Caller("a message for the queue has recipients, and bytes".into()));
            }
            let (mut known, mut wanting) = (None, Vec::with_capacity(mail.recipients.len()));
            for recipient in &mail.recipients {
                let key = mail.key.map(|key| key.of_recipient(&recipient.address));
                let there = match key.and_then(|key| keys.get(&key).or_else(|| self.keys.get(&key))) {
                    Some(id) => Some(*id),
                    None => key.map_or(Ok(None), |key| rows::by_key(db, key))?,
                };
                match there {
                    Some(id) => known = known.or(Some(id)),
                    None => {
                        keys.extend(key.map(|key| (key, QueueId(next_id))));
                        wanting.push(recipient);
                    }
                }
            }
            if let Some(id) = known.filter(|_| wanting.is_empty()) {
                admitted.push(Admitted::Known(id));
                continue;
            }
            let meta = meta_of(mail, &wanting, QueueId(next_id));
            let encoded = meta.encode();
            if encoded.len() + GROWTH_BYTES * meta.recipients.len() > MAX_META_LEN {
                let text = format!("{} recipients of one message are more than the queue takes", meta.recipients.len());
                return Err(StoreError::Caller(text));
            }
            next_id += 1;
            admitted.push(Admitted::New(Box::new(meta), encoded));
        }
        Ok(admitted)
    }

    /// Appends what was admitted of messages. Gives their numbers.
    pub(super) fn append<M: Borrow<NewMail>>(
        &mut self,
        log: &mut Log,
        mail: &[M],
        plan: Vec<Admitted>,
    ) -> Result<Vec<QueueId>> {
        let mut ids = Vec::with_capacity(mail.len());
        for (mail, admitted) in mail.iter().map(Borrow::borrow).zip(plan) {
            let (meta, encoded) = match admitted {
                Admitted::Known(id) => {
                    ids.push(id);
                    continue;
                }
                Admitted::New(meta, encoded) => (*meta, encoded),
            };
            let (id, digest) = (meta.id, mail.message.digest);
            let payload = mail.message.payload.as_ref().expect("admitted messages have bytes");
            let (place, record_bytes) = append(log, digest, payload, &encoded)?;
            self.next_id = id.0 + 1;
            if let Some(key) = meta.key {
                self.keys.extend(meta.recipients.iter().map(|r| (key.of_recipient(&r.address), id)));
            }
            let Meta { key, put_s, envelope, recipients, .. } = meta;
            let queued = Queued { id, envelope, digest, size_bytes: mail.message.size_bytes() };
            self.rows.push((Stored { queued, place, record_bytes, key, put_s }, recipients));
            ids.push(id);
        }
        Ok(ids)
    }

    pub(super) fn index(&self, db: &Connection, change: &mut Change) -> Result<()> {
        self.rows.iter().try_for_each(|(stored, recipients)| rows::insert(db, stored, recipients, change))
    }
}

/// Appends a record. Gives where it will lie, and its length.
pub(super) fn append(log: &mut Log, digest: Digest, payload: &Payload, meta: &[u8]) -> Result<(Place, u64)> {
    let place = log.append(Kind::Queued, digest, payload, meta)?;
    Ok((place, (HEAD_LEN + meta.len() + payload.stored.len()).next_multiple_of(8) as u64))
}

fn meta_of(mail: &NewMail, wanting: &[&NewRecipient], id: QueueId) -> Meta {
    let recipient = |(number, r): (u32, &&NewRecipient)| Recipient {
        number,
        address: r.address.clone(),
        hop: r.hop.clone(),
        notify: r.notify,
        original: r.original.clone(),
        hidden: r.hidden,
        state: State::Waiting,
        ends: false,
        due_s: mail.due_s,
        attempts: 0,
        last: None,
        delay_told: false,
    };
    let recipients = (0..).zip(wanting).map(recipient).collect();
    Meta { id, key: mail.key, put_s: crate::now(), envelope: mail.envelope.clone(), recipients }
}
