//! An account compared by POP3: its INBOX, by UIDL (`RULES.md 5.2`, 5.3).

use super::account::{Bytes, Findings, WantedMailbox, WantedMessage, is_digest_of};
use super::reader::Reader;
use super::{Job, Scope};
use crate::progress::Progress;
use directory::Pop3Before;
use message::Flags;
use source::remote::RemoteError;
use source::remote::pop3::Session;
use std::collections::{HashMap, HashSet};

/// The most that one message may have.
const LIMIT_BYTES: u64 = 1 << 30;

pub(super) fn check(scope: &Scope<'_>, job: &Job, progress: &dyn Progress) -> Result<Findings, RemoteError> {
    let mut findings = Findings::default();
    let empty = WantedMailbox { uidvalidity: 0, uidnext: 1, messages: Default::default() };
    let inbox = job.wanted.mailboxes.get("INBOX").unwrap_or(&empty);
    findings.mailboxes = 1;
    let mut reader = Reader::new(|| {
        let mut session = Session::open(scope.server, &job.sign_in)?;
        // Numbers of messages are the session's.
        let entries = session.list()?;
        Ok((session, entries))
    });
    let listed: Vec<String> = reader.with(|(_, entries)| Ok(entries.iter().map(|e| e.uidl.clone()).collect()))?;
    let mut wanted: HashMap<&str, (u32, &WantedMessage)> = HashMap::new();
    for (uid, message) in &inbox.messages {
        wanted.insert(&message.uidl, (*uid, message));
    }
    let mut seen = HashSet::new();
    let digests: HashSet<_> = inbox.messages.values().filter_map(|m| m.digest).collect();
    let mut buffer = Vec::new();
    for uidl in &listed {
        if !seen.insert(uidl.as_str()) {
            findings.problems.push(format!("the UIDL {uidl} is listed twice"));
            continue;
        }
        let found = reader.with(|(session, entries)| {
            let Some(entry) = entries.iter().find(|entry| entry.uidl == *uidl) else { return Ok(false) };
            session.retrieve(entry.number, LIMIT_BYTES, &mut buffer).map(|()| true)
        });
        match found {
            Ok(true) => {}
            Ok(false) => {
                findings.problems.push(format!("the UIDL {uidl} is listed and then not"));
                continue;
            }
            Err(RemoteError::Answer { text, .. }) => {
                findings.problems.push(format!("the message of UIDL {uidl} cannot be fetched: {text}"));
                continue;
            }
            Err(error) => return Err(error),
        }
        match wanted.get(uidl.as_str()) {
            Some((uid, message)) => {
                if !is_same(&mut findings, message, &buffer) {
                    let text = format!("the UIDL {uidl} (UID {uid}) has other bytes than the ledger says");
                    findings.problems.push(text);
                }
                progress.done(1, buffer.len() as u64);
            }
            None => {
                findings.arrived += 1;
                if scope.strict && digests.iter().any(|digest| is_message(digest, &buffer)) {
                    findings.problems.push(format!("the UIDL {uidl} is a message of the result under another UIDL"));
                }
            }
        }
    }
    for (uid, message) in inbox.messages.iter().filter(|(_, message)| !seen.contains(message.uidl.as_str())) {
        if may_be_hidden(message, job.pop3_before) {
            findings.hidden += 1;
        } else {
            findings.problems.push(format!("UID {uid} of the INBOX, UIDL {}, is not listed", message.uidl));
        }
    }
    if let Some((session, _)) = reader.into_session() {
        session.quit();
    }
    Ok(findings)
}

/// Whether the maildrop may leave a message out (`RULES.md 5.3`).
fn may_be_hidden(message: &WantedMessage, pop3_before: Pop3Before) -> bool {
    message.of_before
        && match pop3_before {
            Pop3Before::Show => false,
            Pop3Before::Hide => true,
            Pop3Before::SeenHide => message.flags.contains(Flags::SEEN),
        }
}

/// Whether what was fetched is the message: POP3 ends every message in CRLF, whether it had one or not.
fn is_same(findings: &mut Findings, message: &WantedMessage, served: &[u8]) -> bool {
    let Some(digest) = message.digest else { return true };
    if let Some(bare) = served.strip_suffix(b"\r\n").filter(|bare| is_digest_of(&digest, bare)) {
        return findings.compare(&digest, bare) == Bytes::Same;
    }
    findings.compare(&digest, served) != Bytes::Other
}

fn is_message(digest: &message::Digest, served: &[u8]) -> bool {
    is_digest_of(digest, served) || served.strip_suffix(b"\r\n").is_some_and(|bare| is_digest_of(digest, bare))
}
