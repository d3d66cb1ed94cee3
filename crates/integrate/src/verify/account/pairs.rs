//! Messages that a reader might take for one, as the report lists them (`RULES.md 2.3`, 2.5).

use super::AccountWork;
use crate::integration::IntegrationError;
use crate::ledger::LineageRole;
use crate::report::{Pair, PairSide};
use message::{Identity, canonical, decoded_header, header};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::{Blob, StoreError, Traits};

/// Names of header fields that one pair lists.
const MAX_DIFFERENCES: usize = 20;

/// Copies of an account by identity: in the result where it has one, else in its history.
pub(super) struct Sides<'a, 'w> {
    work: &'a AccountWork<'w>,
    found: HashMap<Identity, (PairSide, Blob)>,
}

impl<'a, 'w> Sides<'a, 'w> {
    pub(super) fn of(work: &'a AccountWork<'w>) -> Self {
        let mut found = HashMap::new();
        for (mailbox, message, blob) in &work.live.rows {
            let came_back = message.traits.contains(Traits::OF_BEFORE);
            let side = || PairSide {
                lineage: if came_back { LineageRole::Before } else { LineageRole::After },
                mailbox: work.live.mailboxes[*mailbox].name.to_string(),
                uid: Some(message.uid),
                size_bytes: blob.size_bytes,
                digest: blob.digest,
            };
            found.entry(blob.identity).or_insert_with(|| (side(), *blob));
        }
        // One that was joined with its twin is nowhere in the result.
        for item in &work.items {
            let Some((_, blob)) = &item.staged else { continue };
            let (mailbox, digest, size_bytes) = (item.mailbox.clone(), blob.digest, blob.size_bytes);
            let side = PairSide { lineage: item.role, mailbox, uid: None, size_bytes, digest };
            found.entry(blob.identity).or_insert((side, *blob));
        }
        Sides { work, found }
    }

    /// The pairs of identities that reading found.
    pub(super) fn pairs<'p>(
        &self,
        identities: impl Iterator<Item = (&'p String, &'p String)>,
    ) -> Result<Vec<Pair>, IntegrationError> {
        let side = |text: &String| text.parse::<Identity>().ok().and_then(|i| self.found.get(&i));
        let both = identities.filter_map(|(a, b)| side(a).zip(side(b)));
        both.map(|(a, b)| self.pair(a, b)).collect()
    }

    fn pair(&self, first: &(PairSide, Blob), second: &(PairSide, Blob)) -> Result<Pair, IntegrationError> {
        let (one, other) = (self.read(&first.1)?, self.read(&second.1)?);
        let field = |name| header::find(&one, name).map(|field| decoded_header(&field.value()));
        let address = self.work.address.as_ref();
        Ok(Pair {
            domain: address.map_or_else(String::new, |a| a.domain().to_owned()),
            address: address.map_or_else(String::new, ToString::to_string),
            message_id: field("Message-ID").unwrap_or_default(),
            subject: field("Subject"),
            first: first.0.clone(),
            second: second.0.clone(),
            differs: differences(&canonical(&one), &canonical(&other)),
        })
    }

    /// A message's bytes; none where its record is damaged, which is a finding of its own.
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, StoreError> {
        match self.work.cell.bytes(blob) {
            Err(StoreError::Corrupt { .. }) => Ok(Vec::new()),
            other => other,
        }
    }
}

/// What two messages in canonical form differ in: header fields by name, `body`.
fn differences(one: &[u8], other: &[u8]) -> Vec<String> {
    let (a, b) = (values(one), values(other));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = names.into_iter().filter(|name| a.get(*name) != b.get(*name));
    let mut found: Vec<String> = differ.take(MAX_DIFFERENCES).cloned().collect();
    if body(one) != body(other) {
        found.push("body".to_owned());
    }
    found
}

/// The values of every header field, by its name in lower case.
fn values(message: &[u8]) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut found: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for field in header::fields(message) {
        let name = String::from_utf8_lossy(field.name()).to_ascii_lowercase();
        found.entry(name).or_default().push(field.value().into_owned());
    }
    found
}

fn body(message: &[u8]) -> &[u8] {
    memchr::memmem::find(message, b"\r\n\r\n").map_or(&[], |end| &message[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let one = b"Subject: a\r\nX-Spam-Score: 1\r\nTo: x\r\n\r\nbody\r\n";
        assert_eq!(differences(one, b"SUBJECT: a\r\nX-Spam-Score: 2\r\nTo: x\r\n\r\nbody\r\n"), ["x-spam-score"]);
        assert_eq!(differences(one, b"Subject: a\r\nX-Spam-Score: 1\r\n\r\nother\r\n"), ["to", "body"]);
        assert_eq!(differences(one, b""), ["subject", "to", "x-spam-score", "body"]);
        assert_eq!(differences(one, one), Vec::<String>::new());
    }
}
