//! An account compared by IMAP.

use super::account::{Bytes, Findings, WantedMailbox};
use super::reader::Reader;
use super::{Job, Scope};
use crate::progress::Progress;
use source::remote::RemoteError;
use source::remote::imap::{Session, Summary};
use std::collections::{BTreeMap, HashSet};

/// Messages that are fetched together, and their size as the server says it.
const BATCH_MESSAGES: usize = 64;
const BATCH_BYTES: u64 = 4 << 20;

/// The most that one fetch may bring.
const LIMIT_BYTES: u64 = 1 << 30;

/// Messages that are told of one by one, of each mailbox and each kind of trouble; the rest are counted.
const MAX_TOLD: usize = 5;

pub(super) fn check(scope: &Scope<'_>, job: &Job, progress: &dyn Progress) -> Result<Findings, RemoteError> {
    let mut reader = Reader::new(|| Session::open(scope.server, &job.sign_in));
    let mut findings = Findings::default();
    let (listing, utf8) = reader.with(|session| Ok((session.list()?, session.has_utf8_names())))?;
    let named = listing.named(utf8);
    let mut names: Vec<&String> = job.wanted.mailboxes.keys().collect();
    names.sort();
    for name in names {
        let wanted = &job.wanted.mailboxes[name];
        let listed = named.iter().find(|(_, served)| served.as_str() == name);
        let Some((listed, _)) = listed else {
            let count = wanted.messages.len();
            findings.problems.push(format!("the mailbox {name} is not served, nor are its {count} messages"));
            continue;
        };
        let mut mailbox = Mailbox { name, wire_name: &listed.name, wanted, findings: &mut findings, scope };
        mailbox.check(&mut |work| reader.with(work), progress)?;
    }
    let is_new = |served: &&str| !job.wanted.mailboxes.contains_key(*served);
    let new: Vec<&str> = named.iter().map(|(_, served)| served.as_str()).filter(is_new).collect();
    if scope.strict && !new.is_empty() {
        findings.problems.push(format!("mailboxes are served that the result does not have: {}", new.join(", ")));
    }
    if let Some(session) = reader.into_session() {
        session.log_out();
    }
    Ok(findings)
}

/// One mailbox under comparison.
struct Mailbox<'a> {
    name: &'a str,
    wire_name: &'a [u8],
    wanted: &'a WantedMailbox,
    findings: &'a mut Findings,
    scope: &'a Scope<'a>,
}

/// Runs something in a session, which may be another one each time.
type With<'w> = dyn FnMut(&mut dyn FnMut(&mut Session) -> Result<(), RemoteError>) -> Result<(), RemoteError> + 'w;

impl Mailbox<'_> {
    fn check(&mut self, with: &mut With<'_>, progress: &dyn Progress) -> Result<(), RemoteError> {
        self.findings.mailboxes += 1;
        let mut listed = None;
        let opened = with(&mut |session| {
            let opened = session.examine(self.wire_name)?;
            listed = Some((opened, session.summaries()?));
            Ok(())
        });
        let (opened, summaries) = match (opened, listed) {
            (Ok(()), Some(listed)) => listed,
            (Err(RemoteError::Answer { text, .. }), _) => {
                self.wrong(format!("it does not open: {text}"));
                return Ok(());
            }
            (opened, _) => return opened,
        };
        if opened.uidvalidity != Some(self.wanted.uidvalidity) {
            let (was, now) = (self.wanted.uidvalidity, opened.uidvalidity.unwrap_or(0));
            self.wrong(format!("its UIDVALIDITY was {was} and is {now}: every client will fetch it again"));
            return Ok(());
        }
        if let Some(uidnext) = opened.uidnext.filter(|next| *next < self.wanted.uidnext) {
            self.wrong(format!("its UIDNEXT was {} and is {uidnext}", self.wanted.uidnext));
        }
        let mut served: BTreeMap<u32, &Summary> = BTreeMap::new();
        let mut twice = Vec::new();
        for message in &summaries.messages {
            if served.insert(message.uid, message).is_some() {
                twice.push(message.uid);
            }
        }
        self.told("is given to two messages", &twice);
        self.compare_summaries(&served);
        let there: Vec<(u32, u64)> = served.values().map(|message| (message.uid, message.size_bytes)).collect();
        self.compare_bytes(&there, with, progress)
    }

    fn compare_summaries(&mut self, served: &BTreeMap<u32, &Summary>) {
        let wanted = self.wanted;
        let missing: Vec<u32> = wanted.messages.keys().filter(|uid| !served.contains_key(uid)).copied().collect();
        self.told("is not served", &missing);
        let surplus = served.keys().filter(|uid| **uid < wanted.uidnext && !wanted.messages.contains_key(uid));
        let surplus: Vec<u32> = surplus.copied().collect();
        self.told("is served, and the result has no such message", &surplus);
        let (mut dates, mut flags) = (Vec::new(), Vec::new());
        for (uid, message) in &wanted.messages {
            let Some(served) = served.get(uid) else { continue };
            if served.internal_date != Some(message.internal_date) {
                dates.push(*uid);
            }
            if !message.has(served.flags, &served.keywords) {
                flags.push(*uid);
            }
        }
        self.told("has another INTERNALDATE", &dates);
        self.findings.changed += flags.len() as u64;
        if self.scope.strict {
            self.told("has other flags or keywords", &flags);
        }
    }

    /// Reads every message that the ledger is about, and what came since: nothing may be there again under another UID.
    fn compare_bytes(
        &mut self,
        there: &[(u32, u64)],
        with: &mut With<'_>,
        progress: &dyn Progress,
    ) -> Result<(), RemoteError> {
        let wanted = self.wanted;
        let digests: HashSet<_> = wanted.messages.values().filter_map(|message| message.digest).collect();
        let (mut other, mut unread, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for batch in batches(there) {
            let mut due: HashSet<u32> = batch.iter().copied().collect();
            let findings = &mut *self.findings;
            let fetched = with(&mut |session| {
                if session.opened().is_none_or(|o| o.name != self.wire_name) {
                    session.examine(self.wire_name)?;
                }
                // After a break, what has come is not asked for again.
                let uids: Vec<u32> = batch.iter().copied().filter(|uid| due.contains(uid)).collect();
                session.bodies(&uids, LIMIT_BYTES, |uid, bytes| {
                    due.remove(&uid);
                    match wanted.messages.get(&uid) {
                        Some(message) => {
                            let same = message.digest.is_none_or(|d| findings.compare(&d, bytes) != Bytes::Other);
                            other.extend((!same).then_some(uid));
                            progress.done(1, bytes.len() as u64);
                        }
                        None => {
                            let digest = message::examine(&message::to_crlf(bytes)).digest;
                            again.extend(digests.contains(&digest).then_some(uid));
                        }
                    }
                })
            });
            match fetched {
                Ok(()) => {}
                Err(RemoteError::Answer { .. }) => {}
                Err(error) => return Err(error),
            }
            unread.extend(due);
        }
        unread.sort_unstable();
        self.told("cannot be fetched", &unread);
        self.told("has other bytes than the ledger says", &other);
        let arrived = there.iter().filter(|(uid, _)| *uid >= wanted.uidnext).count();
        self.findings.arrived += arrived as u64;
        again.retain(|uid| *uid >= wanted.uidnext);
        if self.scope.strict {
            self.told("came since, and is there already under another UID", &again);
        }
        Ok(())
    }

    fn wrong(&mut self, what: String) {
        self.findings.problems.push(format!("{}: {what}", self.name));
    }

    fn told(&mut self, what: &str, uids: &[u32]) {
        for uid in uids.iter().take(MAX_TOLD) {
            self.wrong(format!("UID {uid} {what}"));
        }
        if let Some(more) = uids.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            self.wrong(format!("{more} more of which each {what}"));
        }
    }
}

/// UIDs in batches that are neither too many nor too large.
fn batches(there: &[(u32, u64)]) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = Vec::new();
    let mut bytes = 0_u64;
    for (uid, size) in there {
        bytes = bytes.saturating_add(*size);
        match batches.last_mut().filter(|batch| batch.len() < BATCH_MESSAGES && bytes <= BATCH_BYTES) {
            Some(batch) => batch.push(*uid),
            None => {
                batches.push(vec![*uid]);
                bytes = *size;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded() {
        let many: Vec<(u32, u64)> = (1..=130).map(|uid| (uid, 10)).collect();
        assert_eq!(batches(&many).iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 2]);
        let large = [(1, 1), (2, BATCH_BYTES), (3, u64::MAX), (4, 1), (5, 1)];
        assert_eq!(batches(&large), [vec![1], vec![2], vec![3], vec![4, 5]]);
        assert_eq!(batches(&[]), Vec::<Vec<u32>>::new());
    }
}
