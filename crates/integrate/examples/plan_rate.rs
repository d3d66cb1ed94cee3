//! Prints how many messages a second one core plans: one account of a million copies, half in each lineage.
//!
//! `cargo run --release -p integrate --example plan_rate`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use integrate::plan::lineage::{Lineage, Mailbox, Message};
use integrate::plan::{Policy, Twins, plan};
use message::{Flags, MailboxName};
use std::time::Instant;

const COPIES: u64 = 1_000_000;
const MAILBOXES: u64 = 20;

fn main() {
    println!("{COPIES} copies in {MAILBOXES} mailboxes of each lineage");
    measure("nothing in common, no UIDLs", false, |n| n + COPIES);
    measure("nothing in common, UIDLs", true, |n| n + COPIES);
    measure("everything in common, other order, UIDLs", true, |n| (n * 7_919) % (COPIES / 2));
    measure("ten copies of each message, UIDLs", true, |n| n / 10);
}

fn measure(what: &str, has_uidls: bool, in_after: fn(u64) -> u64) {
    let before = lineage(1, has_uidls, |n| n);
    let after = lineage(2, has_uidls, in_after);
    let start = Instant::now();
    let planned = plan(&before, &after, None, &Twins::default(), &Policy::default());
    let elapsed = start.elapsed();
    let rate = COPIES as f64 / elapsed.as_secs_f64() / 1e6;
    println!(
        "{what}: {} messages in {:.0} ms, {rate:.2} million copies/s",
        planned.placements.len(),
        elapsed.as_secs_f64() * 1e3
    );
}

fn lineage(uidvalidity: u32, has_uidls: bool, message: impl Fn(u64) -> u64) -> Lineage {
    let per_mailbox = COPIES / 2 / MAILBOXES;
    let mailbox = |i: u64| Mailbox {
        name: MailboxName::new(&if i == 0 { "INBOX".to_owned() } else { format!("Folder {i}") }).unwrap(),
        special_use: None,
        subscribed: true,
        uidvalidity: Some(uidvalidity),
        uidnext: u32::try_from(per_mailbox + 1).unwrap(),
        highest_modseq: 1,
        messages: (0..per_mailbox).map(|j| copy(j, message(i * per_mailbox + j), uidvalidity, has_uidls)).collect(),
        expunged: Vec::new(),
    };
    Lineage { mailboxes: (0..MAILBOXES).map(mailbox).collect() }
}

fn copy(uid: u64, n: u64, uidvalidity: u32, has_uidl: bool) -> Message {
    let hash = blake3::hash(&n.to_le_bytes());
    Message {
        uid: u32::try_from(uid + 1).unwrap(),
        uid_served: true,
        digest: hash.into(),
        identity: hash.into(),
        flags: Flags::from_bits(n as u8),
        keywords: Vec::new(),
        internal_date: 1_700_000_000 + n as i64,
        size_bytes: 30_000,
        uidl: has_uidl.then(|| format!("{n:012x}{uidvalidity:08x}")),
        damaged: None,
    }
}
