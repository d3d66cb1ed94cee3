//! Doing what was planned: the queue first, then the cells, then what is to be remembered.

use super::plan::{By, Copy, Entry, Outgoing, Plan, push_message};
use super::{Failure, Mail, notice};
use crate::script::{duplicate_id, vacation_id};
use crate::settings::Settings;
use directory::{AccountId, Directory, SieveMemoryId};
use edge::Services;
use message::{Address, examine};
use queue::Queue;
use sieve::{HeaderVersion, VacationReply};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use store::spool::{NewMail, Purpose, Return};
use store::{Cell, Delivery, Prepared, Traits};

/// Packed copies of a message that are in memory at once, but for one.
const BATCH_BYTES: u64 = 32 * 1024 * 1024;

/// Carries out a plan; what failed stands in its outcomes.
pub(super) fn act(services: &Services, settings: &Settings, mail: &Mail, plan: &mut Plan) {
    let has_failed = |plan: &Plan, recipients: &BTreeSet<usize>| {
        recipients.iter().all(|&recipient| plan.outcomes[recipient].is_err())
    };
    let outgoing: Vec<Outgoing> = mem::take(&mut plan.outgoing);
    if let Some(queue) = &settings.queue {
        let wanted: Vec<Outgoing> = outgoing.into_iter().filter(|out| !has_failed(plan, &out.for_recipients)).collect();
        put(services, settings, queue, mail, &wanted, plan);
        if !mail.each && plan.outcomes.iter().any(Result::is_err) {
            return;
        }
    }
    let mut cells: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, entry) in plan.entries.iter().enumerate() {
        if !has_failed(plan, &entry.recipients) {
            cells.entry(services.store.cell_of(&entry.address).number()).or_default().push(place);
        }
    }
    for places in cells.values() {
        let cell = services.store.cell_of(&plan.entries[places[0]].address);
        let shares = shares(&plan.entries, places);
        let mut left = &shares[..];
        let mut failed = BTreeSet::new();
        while !left.is_empty() {
            let (count, result) = deliver_batch(cell, mail, &plan.entries, left);
            let (these, rest) = left.split_at(count);
            left = rest;
            if let Err(failure) = result {
                for share in these {
                    failed.insert(share.place);
                    for &recipient in &plan.entries[share.place].recipients {
                        plan.outcomes[recipient] = Err(failure.clone());
                    }
                }
            }
        }
        for place in places.iter().filter(|place| !failed.contains(place)) {
            afterwards(services, mail, &plan.entries[*place]);
        }
    }
}

/// An account's copies with one header: one message. Most have no other.
#[derive(Debug)]
struct Share {
    /// The account's place among the entries.
    place: usize,
    /// The header.
    header: HeaderVersion,
}

fn shares(entries: &[Entry], places: &[usize]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::with_capacity(places.len());
    for &place in places {
        let first = shares.len();
        for Copy { header, .. } in &entries[place].copies {
            if !shares[first..].iter().any(|share| share.header.is_same(header)) {
                shares.push(Share { place, header: header.clone() });
            }
        }
    }
    shares
}

/// Delivers as many shares as fit into a batch, one at least; how many, and how it went.
fn deliver_batch(cell: &Cell, mail: &Mail, entries: &[Entry], shares: &[Share]) -> (usize, Result<(), Failure>) {
    let (mut deliveries, mut packed_bytes, mut count) = (Vec::new(), 0, 0);
    for share in shares {
        if packed_bytes >= BATCH_BYTES {
            break;
        }
        count += 1;
        let these = copies(mail, &entries[share.place], &share.header);
        packed_bytes += these.iter().map(|delivery| delivery.message.stored_bytes()).sum::<u64>();
        deliveries.extend(these);
    }
    if deliveries.is_empty() {
        return (count, Ok(()));
    }
    let result = cell.deliver(deliveries).map_err(Failure::from).map(|delivered| {
        let repeated = delivered.iter().filter(|delivered| delivered.repeated).count();
        if repeated > 0 {
            tracing::info!(id = mail.id, repeated, "a message came again: what was delivered is not delivered twice");
        }
    });
    (count, result)
}

/// The deliveries of an account with one header.
fn copies(mail: &Mail, entry: &Entry, header: &HeaderVersion) -> Vec<Delivery> {
    let Some(account) = entry.mail else { return Vec::new() };
    let crlf = entry.bytes(mail, header);
    let message = Prepared::new(&crlf, &examine(&crlf));
    let ids = entry.ids(mail);
    let copies = entry.copies.iter().filter(|copy| copy.header.is_same(header)).map(|copy| Delivery {
        account,
        mailbox: copy.mailbox,
        uid: None,
        message: message.clone(),
        flags: copy.flags,
        keywords: copy.keywords.clone(),
        internal_date: mail.at_s,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: ids.map(|ids| ids.copy(&entry.address, copy.mailbox)),
    });
    copies.collect()
}

/// What is done once an account has its copies. It is memory and word, not mail: its failure is nobody's.
fn afterwards(services: &Services, mail: &Mail, entry: &Entry) {
    if !entry.seen.is_empty() && entry.refused.is_none() {
        let remembered = services.directory.write(|tx| {
            for seen in &entry.seen {
                tx.put_sieve_memory(entry.id, &duplicate_id(&seen.id), mail.at_s, seen.until_s)?;
            }
            Ok(())
        });
        if let Err(error) = remembered {
            tracing::warn!(account = %entry.address, error = edge::causes(&error), "a script's memory cannot be written");
        }
    }
    for fault in &entry.faults {
        tracing::warn!(account = %entry.address, script = fault.script, what = fault.what, "a script failed");
        metrics::counter!("reintegra_sieve_faults_total").increment(1);
        notice::tell_of_fault(services, entry.id, &entry.address, fault, mail.at_s);
    }
}

/// Puts what goes elsewhere into the queue; what failed stands in the plan's outcomes.
fn put(services: &Services, settings: &Settings, queue: &Queue, mail: &Mail, outgoing: &[Outgoing], plan: &mut Plan) {
    let mut left = outgoing;
    while !left.is_empty() {
        let (mut batch, mut packed_bytes, mut count) = (Vec::new(), 0, 0);
        let mut claims = Vec::new();
        for out in left {
            if packed_bytes >= BATCH_BYTES {
                break;
            }
            count += 1;
            if let By::Reply(account, _, reply) = &out.by {
                match claim(&services.directory, *account, reply, mail.at_s) {
                    Some(claim) => claims.push(claim),
                    None => continue,
                }
            }
            let new = new_mail(services, settings, queue, mail, out);
            packed_bytes += new.message.stored_bytes();
            batch.push(new);
        }
        let (these, rest) = left.split_at(count);
        left = rest;
        if batch.is_empty() {
            continue;
        }
        if let Err(error) = queue.put(batch) {
            let failure = Failure::from(error);
            these.iter().flat_map(|out| &out.for_recipients).for_each(|&recipient| {
                plan.outcomes[recipient] = Err(failure.clone());
            });
            for (account, id) in claims {
                // Who comes again is to be answered then.
                services.directory.write(|tx| tx.remove_sieve_memory(account, &id)).ok();
            }
        }
    }
}

/// Remembers that somebody is answered, before they are: of two messages at once one is; `None`: somebody else did.
fn claim(
    directory: &Directory,
    account: AccountId,
    reply: &VacationReply,
    now_s: i64,
) -> Option<(AccountId, SieveMemoryId)> {
    let id = vacation_id(&reply.handle, &reply.recipient);
    let until_s = now_s.saturating_add(i64::try_from(reply.interval_s).unwrap_or(i64::MAX));
    match directory.write(|tx| tx.claim_sieve_memory(account, &id, now_s, until_s)) {
        Ok(is_new) => is_new.then_some((account, id)),
        Err(error) => {
            tracing::warn!(error = edge::causes(&error), "an answer cannot be remembered, and is not given");
            None
        }
    }
}

fn new_mail(services: &Services, settings: &Settings, queue: &Queue, mail: &Mail, out: &Outgoing) -> NewMail {
    let (mut envelope, what, by);
    let message;
    let mut ids = mail.ids;
    match &out.by {
        By::Sender => {
            let purpose = if mail.from.is_some() { mail.purpose } else { Purpose::Notification };
            envelope = queue.envelope(purpose, &mail.reverse_path());
            envelope.account.clone_from(&mail.account);
            (what, by) = ("sender", String::new());
            message = [&mail.head[..], &mail.message].concat();
        }
        By::Alias(alias) => {
            envelope = queue.envelope(Purpose::Forward, &sent_on_path(services, queue, mail));
            (what, by) = ("alias", alias.key().to_owned());
            message = sent_on(services, settings, mail, std::slice::from_ref(alias), &[]);
        }
        By::Account { path, headers, ids: those, .. } => {
            ids = *those;
            let account = &path[0];
            envelope = queue.envelope(Purpose::Forward, &sent_on_path(services, queue, mail));
            envelope.account = Some(account.to_string());
            (what, by) = ("account", account.key().to_owned());
            message = sent_on(services, settings, mail, path, headers);
        }
        By::Reply(_, account, reply) => {
            envelope = queue.envelope(Purpose::Reply, "");
            envelope.account = Some(account.to_string());
            (what, by) = ("reply", format!("{} {}", account.key(), reply.handle));
            let signatures = settings.keys.sign(&services.directory, account.domain(), &reply.message, mail.at_s);
            message = [signatures.as_bytes(), &reply.message].concat();
        }
    }
    let answers = matches!(out.by, By::Reply(..));
    if !answers {
        envelope.envelope_id.clone_from(&mail.parameters.envid);
        envelope.returns = mail.parameters.ret.map(|ret| match ret {
            crate::syntax::command::Ret::Full => Return::Full,
            crate::syntax::command::Ret::Headers => Return::Headers,
        });
        envelope.require_tls = mail.parameters.require_tls;
    }
    envelope.smtputf8 = !answers && mail.parameters.utf8 || out.recipients.iter().any(|(to, _)| to.is_utf8());
    let key = ids.map(|ids| ids.outgoing(what, &by));
    let recipients = out.recipients.iter().map(|(_, recipient)| recipient.clone()).collect();
    Queue::mail(key, envelope, recipients, &message)
}

/// The reverse-path of what is sent on: rewritten, so that SPF passes at the next server and DSNs come back through here.
/// Senders who are hosted here need none, for mail of theirs goes out from here anyway.
fn sent_on_path(services: &Services, queue: &Queue, mail: &Mail) -> String {
    let (Some(from), Some(srs)) = (&mail.from, &queue.settings().srs) else { return mail.reverse_path() };
    match services.directory.domain(from.domain()) {
        Ok(Some(_)) => mail.reverse_path(),
        _ => srs.forward(&mail.reverse_path(), mail.at_s),
    }
}

/// The bytes of what is sent on, by whom, the last first. It is sealed by the last one's domain (RFC 8617): what was found of
/// it when it came is not found any more at the next server.
fn sent_on(
    services: &Services,
    settings: &Settings,
    mail: &Mail,
    by: &[Address],
    headers: &[HeaderVersion],
) -> Vec<u8> {
    let mut message: Vec<u8> = by.iter().flat_map(|by| format!("Delivered-To: {by}\r\n").into_bytes()).collect();
    push_message(&mut message, mail, headers);
    let (Some(findings), [last, ..]) = (&mail.findings, by) else { return message };
    let host = &services.policy.hostname;
    let set = settings.keys.seal(&services.directory, last.domain(), &message, findings, host, mail.at_s);
    [set.as_bytes(), &message].concat()
}
