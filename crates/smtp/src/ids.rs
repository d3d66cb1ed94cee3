//! Names of deliveries, so that a message that comes again is known again.
//!
//! Whoever hears no answer sends a message once more (RFC 1047), and so does whoever heard "later" because one mailbox of
//! several could not be written. What was done for it the first time is not done again: every copy that goes into a mailbox
//! and every message that is put into the queue has an id, made from what cannot differ between two tries, and the store and
//! the spool remember ids for days.
//!
//! What tells two tries of one message from two messages that say the same: a Received field, which the server before us
//! wrote with its own name of the message in it; or Date and Message-ID together, which programs that people write mail with
//! set. A message with neither has no ids: the reports that some machine sends in the same words every hour are all
//! delivered, and one that was sent twice for want of an answer too.

use crate::syntax::EnvelopeAddress;
use message::{Address, header};
use store::MailboxId;
use store::spool::{DeliveryId, QueueId};

/// The context of the hash, so that it never meets another of the same bytes.
const CONTEXT: &str = "reintegra 2026-11 delivery ids";

/// What the ids of everything that is done for a message are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids(DeliveryId);

impl Ids {
    /// Those of a message that came in; `None`: it could not be told from another one.
    pub(crate) fn of_message(from: Option<&EnvelopeAddress>, crlf: &[u8]) -> Option<Self> {
        let has = |name| header::find(crlf, name).is_some();
        let told_apart = has("Received") || has("Date") && has("Message-ID");
        let from = from.map(ToString::to_string).unwrap_or_default();
        told_apart.then(|| Ids(DeliveryId::of(CONTEXT, &[b"message", from.as_bytes(), crlf])))
    }

    /// Those of a message that lay in the queue. Its name there is not enough: a queue that was lost begins anew.
    pub(crate) fn of_queue(id: QueueId, arrived_s: i64, crlf: &[u8]) -> Self {
        let name = [&id.number().to_le_bytes()[..], &arrived_s.to_le_bytes()];
        Ids(DeliveryId::of(CONTEXT, &[b"queue", name[0], name[1], crlf]))
    }

    /// What is done for a message that other accounts changed, the last first, before they sent it on: it is another message.
    /// Else it would stand for the one that its sender sent besides, and whoever changes mail could keep others from theirs.
    pub(crate) fn changed_by(self, accounts: &[Address]) -> Self {
        let parts: Vec<&[u8]> =
            std::iter::once(&b"changed"[..]).chain(accounts.iter().map(|a| a.key().as_bytes())).collect();
        Ids(self.id(&parts))
    }

    /// The copy that goes into a mailbox of an account.
    pub(crate) fn copy(self, account: &Address, mailbox: MailboxId) -> DeliveryId {
        self.id(&[b"copy", account.key().as_bytes(), &mailbox.0.to_le_bytes()])
    }

    /// What is put into the queue on somebody's behalf. For whom, the spool adds: each recipient is known by itself.
    pub(crate) fn outgoing(self, what: &str, by: &str) -> DeliveryId {
        self.id(&[what.as_bytes(), by.as_bytes()])
    }

    fn id(self, parts: &[&[u8]]) -> DeliveryId {
        let parts: Vec<&[u8]> = std::iter::once(&self.0.0[..]).chain(parts.iter().copied()).collect();
        DeliveryId::of(CONTEXT, &parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_message_is_known_again_by_what_the_one_before_us_wrote() {
        let from = EnvelopeAddress::parse("a@b.example").unwrap();
        let ids = |text: &str| Ids::of_message(Some(&from), text.as_bytes());
        for (text, expected) in [
            ("Received: by mx.example; Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n", true),
            ("Date: x\r\nMessage-ID: <1@b.example>\r\n\r\n", true),
            ("Date: x\r\nSubject: disk full\r\n\r\n", false),
            ("Message-ID: <1@b.example>\r\n\r\n", false),
            ("\r\nReceived: in the body\r\n", false),
        ] {
            assert_eq!(ids(text).is_some(), expected, "{text}");
        }
        let text = "Received: by a\r\n\r\ntext\r\n";
        assert_eq!(ids(text), ids(text));
        assert_ne!(ids(text), ids("Received: by a\r\n\r\ntext.\r\n"));
        assert_ne!(ids(text), Ids::of_message(None, text.as_bytes()));
    }

    #[test]
    fn every_copy_has_an_id_of_its_own() {
        let ids = Ids::of_queue(QueueId::unchecked(1), 7, b"\r\n");
        assert_ne!(ids, Ids::of_queue(QueueId::unchecked(1), 8, b"\r\n"), "another queue, a like name");
        let (ana, eva) = (Address::new("ana@example.org").unwrap(), Address::new("eva@example.org").unwrap());
        let all = [
            ids.copy(&ana, MailboxId(1)),
            ids.copy(&ana, MailboxId(2)),
            ids.copy(&eva, MailboxId(1)),
            ids.outgoing("forward", "ana@example.org"),
            ids.outgoing("reply", "ana@example.org"),
            ids.outgoing("forward", "eva@example.org"),
            ids.changed_by(std::slice::from_ref(&ana)).copy(&eva, MailboxId(1)),
            ids.changed_by(std::slice::from_ref(&eva)).copy(&eva, MailboxId(1)),
            ids.changed_by(&[ana.clone(), eva.clone()]).outgoing("forward", "eva@example.org"),
        ];
        assert!(all.iter().enumerate().all(|(at, id)| !all[..at].contains(id)));
        assert_eq!(ids.copy(&Address::new("ANA@example.org").unwrap(), MailboxId(1)), all[0]);
    }
}
