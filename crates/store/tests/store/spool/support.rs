//! Set-up, and what a spool holds as plain values that compare.

use std::collections::BTreeMap;
use std::path::Path;

use store::OpenOptions;
use store::spool::{
    DeliveryId, Envelope, Filter, NewMail, NewRecipient, Notify, Purpose, QueueId, Recipient, Settled, Settlement,
    Spool,
};
use testkit::crashdisk::CrashDisk;

use crate::support::{digest, options, options_on, prepared, raw};

/// When mail comes in tests, and is due at first.
pub(crate) const NOW: i64 = 1_373_392_800;

pub(crate) fn open(dir: &Path) -> Spool {
    open_with(dir, options())
}

#[track_caller]
pub(crate) fn open_with(dir: &Path, options: OpenOptions) -> Spool {
    let spool = Spool::open(dir, options).unwrap();
    assert_eq!(spool.findings(), [""; 0]);
    spool
}

/// Opens what a crash left, on a disk that costs no real syncs.
pub(crate) fn open_image(image: &Path) -> Spool {
    let disk = CrashDisk::new(image).unwrap();
    Spool::open(disk.root(), options_on(&disk)).unwrap()
}

/// A key of its own for each text.
pub(crate) fn key(text: &str) -> DeliveryId {
    DeliveryId(digest(text.as_bytes()).as_bytes()[..16].try_into().unwrap())
}

pub(crate) fn recipient(address: &str) -> NewRecipient {
    let hop = address.rsplit_once('@').unwrap().1.to_owned();
    NewRecipient { address: address.to_owned(), hop, notify: Notify::DEFAULT, original: None, hidden: false }
}

/// A message of its own for each text (as `support::raw` makes them), found again by its envelope id. It has that text as
/// its key.
pub(crate) fn mail(text: &str, recipients: &[&str]) -> NewMail {
    let envelope = Envelope {
        reverse_path: "ana@example.org".to_owned(),
        purpose: Purpose::Submission,
        account: None,
        envelope_id: Some(text.to_owned()),
        returns: None,
        smtputf8: false,
        require_tls: false,
        arrived_s: NOW,
        expires_s: NOW + 432_000,
    };
    let recipients = recipients.iter().map(|address| recipient(address)).collect();
    NewMail { key: Some(key(text)), envelope, recipients, due_s: NOW, message: prepared(&raw(text)) }
}

pub(crate) fn put(spool: &Spool, text: &str, recipients: &[&str]) -> QueueId {
    spool.put(vec![mail(text, recipients)]).unwrap()[0]
}

/// What became of the first recipients of a message, with nothing sent for it.
pub(crate) fn settlement(id: QueueId, settled: &[Settled]) -> Settlement {
    Settlement { id, recipients: (0..).zip(settled.iter().cloned()).collect(), then: Vec::new() }
}

pub(crate) fn again(due_s: i64) -> Settled {
    Settled::Again { due_s, said: "451 4.3.0 later".to_owned(), delay_told: false }
}

#[track_caller]
pub(crate) fn settle(spool: &Spool, id: QueueId, settled: &[Settled]) {
    assert_eq!(spool.settle(vec![settlement(id, settled)], true).unwrap(), []);
}

/// Everything that waits, by its text: the bytes of every message are read, and are those of its text.
#[track_caller]
pub(crate) fn contents(spool: &Spool) -> BTreeMap<String, (QueueId, Vec<Recipient>)> {
    let all = spool.list(None, usize::MAX, &Filter::default()).unwrap();
    let read = |(queued, recipients): (store::spool::Queued, Vec<Recipient>)| {
        let text = queued.envelope.envelope_id.clone().unwrap();
        assert!(spool.bytes(&queued).unwrap() == raw(&text), "{text}");
        (text, (queued.id, recipients))
    };
    let count = all.len();
    let all: BTreeMap<_, _> = all.into_iter().map(read).collect();
    assert_eq!(all.len(), count, "nothing is there twice");
    all
}

pub(crate) fn texts(spool: &Spool) -> Vec<String> {
    contents(spool).into_keys().collect()
}

#[track_caller]
pub(crate) fn assert_sound(spool: &Spool) {
    assert_eq!(spool.check().unwrap().problems, [""; 0]);
}

/// The segments of a spool by their file names.
pub(crate) fn segments(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("segments")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
