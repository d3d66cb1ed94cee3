//! The whole state of one account as bytes: every mailbox, every message, every expunged UID.
//!
//! Written into the segments after anything that is no delivery (an integration, an undo, an import), so that the
//! segments alone describe the store; kept in the journal too, so that an apply can be undone.

use crate::codec::{Decoder, Encoder, Malformed};
use crate::segment::record::decode_keywords;
use crate::types::{Annotation, BlobId, Mailbox, MailboxId, Message, Traits};
use message::{Digest, Flags, Identity, Keyword, MailboxName, SpecialUse};

/// A state without subscriptions to mere names and without annotations is written as this version.
const VERSION: u64 = 1;
/// With subscriptions and annotations behind the mailboxes.
const VERSION_WITH_EXTRAS: u64 = 2;

/// An account with all that is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountState {
    /// Its mailboxes by number.
    pub mailboxes: Vec<MailboxState>,
    /// Names that it is subscribed to and that no mailbox has.
    pub subscriptions: Vec<MailboxName>,
    /// Its annotations.
    pub annotations: Vec<Annotation>,
}

/// A mailbox with all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct MailboxState {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Its messages by UID, each with the digest of its bytes.
    pub messages: Vec<(Message, Digest)>,
    /// UIDs that are gone, with the modification sequence of that and the identity they named.
    pub expunged: Vec<(u32, u64, Option<Identity>)>,
}

/// What a manifest in a segment says of an account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) account: i64,
    pub(crate) address: String,
    /// `None`: the account was removed.
    pub(crate) state: Option<AccountState>,
}

impl Manifest {
    /// The meta of a manifest's record: enough to list accounts without unpacking.
    pub(crate) fn meta(&self) -> Vec<u8> {
        let mut e = Encoder::default();
        e.signed(self.account).bytes(self.address.as_bytes()).unsigned(self.state.is_some().into());
        e.bytes
    }

    pub(crate) fn decode(meta: &[u8], raw: &[u8]) -> Result<Self, Malformed> {
        let mut d = Decoder::new(meta);
        let (account, address, there) = (d.signed()?, d.text()?.to_owned(), d.unsigned()? != 0);
        let state = there.then(|| AccountState::decode(raw)).transpose()?;
        Ok(Manifest { account, address, state })
    }
}

impl AccountState {
    /// The state as bytes. UIDs, sequences and dates are written as differences: neighbours are alike.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::default();
        let extras = !self.subscriptions.is_empty() || !self.annotations.is_empty();
        e.unsigned(if extras { VERSION_WITH_EXTRAS } else { VERSION }).unsigned(self.mailboxes.len() as u64);
        for MailboxState { mailbox: m, messages, expunged } in &self.mailboxes {
            e.signed(m.id.0).bytes(m.name.as_str().as_bytes()).unsigned(m.uidvalidity.unwrap_or(0).into());
            e.unsigned(m.uidnext.into()).unsigned(m.highest_modseq);
            e.optional(m.special_use.and_then(|u| SpecialUse::ALL.iter().position(|v| *v == u)).map(|n| n as u64));
            e.unsigned(m.subscribed.into()).unsigned(messages.len() as u64);
            let (mut uid, mut date) = (0u32, 0i64);
            for (m, digest) in messages {
                e.unsigned(m.uid.wrapping_sub(uid).into()).signed(m.internal_date.wrapping_sub(date));
                (uid, date) = (m.uid, m.internal_date);
                e.signed(m.save_date).unsigned(m.modseq).raw(&[m.flags.bits(), m.traits.0]);
                let keywords: Vec<&str> = m.keywords.iter().map(Keyword::as_str).collect();
                e.bytes(keywords.join(" ").as_bytes()).optional_bytes(m.uidl.as_deref().map(str::as_bytes));
                e.raw(digest.as_bytes());
            }
            e.unsigned(expunged.len() as u64);
            for (uid, modseq, identity) in expunged {
                e.unsigned((*uid).into())
                    .unsigned(*modseq)
                    .optional_bytes(identity.as_ref().map(|i| &i.as_bytes()[..]));
            }
        }
        if extras {
            e.unsigned(self.subscriptions.len() as u64);
            self.subscriptions.iter().for_each(|name| _ = e.bytes(name.as_str().as_bytes()));
            e.unsigned(self.annotations.len() as u64);
            for Annotation { mailbox, entry, value } in &self.annotations {
                e.signed(mailbox.map_or(0, |m| m.0)).bytes(entry.as_bytes()).bytes(value);
            }
        }
        e.bytes
    }

    /// Takes a state from bytes. Numbers of bytes ([`BlobId`]) are not part of it and come back as 0.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not one, whole, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut d = Decoder::new(bytes);
        let extras = match d.unsigned()? {
            VERSION => false,
            VERSION_WITH_EXTRAS => true,
            _ => return Err(Malformed),
        };
        let mut state = AccountState::default();
        for _ in 0..d.unsigned()? {
            let mailbox = Mailbox {
                id: MailboxId(d.signed()?),
                name: MailboxName::new(d.text()?).map_err(|_| Malformed)?,
                uidvalidity: Some(d.narrow()?).filter(|v| *v != 0),
                uidnext: d.narrow()?,
                highest_modseq: d.unsigned()?,
                special_use: match d.optional()? {
                    None => None,
                    Some(n) => Some(*usize::try_from(n).ok().and_then(|n| SpecialUse::ALL.get(n)).ok_or(Malformed)?),
                },
                subscribed: d.unsigned()? != 0,
            };
            let mut messages = Vec::new();
            let (mut uid, mut date) = (0u32, 0i64);
            for _ in 0..d.unsigned()? {
                uid = uid.wrapping_add(d.narrow()?);
                date = date.wrapping_add(d.signed()?);
                let message = Message {
                    uid,
                    blob: BlobId(0),
                    internal_date: date,
                    save_date: d.signed()?,
                    modseq: d.unsigned()?,
                    flags: Flags::from_bits(d.byte()?),
                    traits: Traits(d.byte()?),
                    keywords: decode_keywords(d.text()?)?,
                    uidl: d.optional_text()?.map(str::to_owned),
                };
                messages.push((message, Digest(d.array()?)));
            }
            let mut expunged = Vec::new();
            for _ in 0..d.unsigned()? {
                let (uid, modseq) = (d.narrow()?, d.unsigned()?);
                let identity = match d.narrow::<usize>()?.checked_sub(1) {
                    None => None,
                    Some(length) => Some(Identity::from_slice(d.take(length)?).ok_or(Malformed)?),
                };
                expunged.push((uid, modseq, identity));
            }
            state.mailboxes.push(MailboxState { mailbox, messages, expunged });
        }
        if extras {
            for _ in 0..d.unsigned()? {
                state.subscriptions.push(MailboxName::new(d.text()?).map_err(|_| Malformed)?);
            }
            for _ in 0..d.unsigned()? {
                let mailbox = d.signed()?;
                let (entry, value) = (d.text()?.to_owned(), d.bytes()?.to_vec());
                let mailbox = (mailbox != 0).then_some(MailboxId(mailbox));
                state.annotations.push(Annotation { mailbox, entry, value });
            }
        }
        if d.is_empty() { Ok(state) } else { Err(Malformed) }
    }
}
