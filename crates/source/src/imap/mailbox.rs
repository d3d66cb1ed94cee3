//! A mailbox of the source from what the server says of it.

use super::{Flags, Item, ItemKind, Listed, Locator, Mailbox, Notice, Opened, SpecialUse, Stamp, Summaries, printable};
use crate::remote::imap::Summary;
use message::{Address, MailboxName};
use std::collections::HashSet;

/// An account's place in the source.
pub(super) struct Place<'a> {
    pub(super) address: &'a Address,
    pub(super) place: &'a [u8],
}

impl Place<'_> {
    /// How notices name a mailbox.
    pub(super) fn printable(&self, mailbox: &[u8]) -> String {
        printable(&[self.place, b"/", mailbox].concat())
    }

    /// What the paths of a mailbox's messages begin with.
    pub(super) fn mailbox_path(&self, mailbox: &[u8], uidvalidity: Option<u32>) -> Vec<u8> {
        [self.place, b"/", mailbox, format!("/{}", uidvalidity.unwrap_or(0)).as_bytes()].concat()
    }

    pub(super) fn path(&self, mailbox: &[u8], uidvalidity: Option<u32>, uid: u32) -> Vec<u8> {
        [&self.mailbox_path(mailbox, uidvalidity)[..], format!("/{uid}").as_bytes()].concat()
    }

    /// The mailbox as it was listed; its name is its owner's business.
    pub(super) fn mailbox(
        &self,
        listed: &Listed,
        opened: &Opened,
        summaries: Summaries,
        notices: &mut Vec<Notice>,
    ) -> Mailbox {
        let mut note = |rule, text| notices.push(Notice { rule, place: self.printable(&listed.name), text });
        if !summaries.unknown_flags.is_empty() {
            let flags: Vec<String> = summaries.unknown_flags.into_iter().collect();
            note("4.1", format!("these flags mean nothing here and are left out: {}", flags.join(" ")));
        }
        let ascending = summaries.messages.is_sorted_by(|a, b| a.uid < b.uid);
        if !ascending {
            note("9.4", "the server's UIDs do not rise with the order of its messages".to_owned());
        }
        if opened.uidvalidity.is_none() && !summaries.messages.is_empty() {
            note("9.4", "the server says no UIDVALIDITY, so that its UIDs are not believed".to_owned());
        }
        let mut mailbox = self.empty(listed);
        mailbox.uidvalidity = opened.uidvalidity;
        mailbox.highest_modseq = opened.highest_modseq;
        let highest = summaries.messages.iter().map(|message| message.uid).max().unwrap_or(0);
        if opened.uidvalidity.is_some() {
            mailbox.uidnext = opened.uidnext.map(|next| next.max(highest.saturating_add(1)));
            if opened.uidnext.is_some_and(|next| next <= highest) {
                note("9.4", format!("the server's UIDNEXT is not above its UID {highest}"));
            }
        }
        let mut seen = HashSet::new();
        for message in summaries.messages {
            let is_first = seen.insert(message.uid);
            mailbox.items.push(self.item(opened, message, is_first));
        }
        mailbox.items.extend(summaries.missing.iter().map(|number| self.missing(opened, *number)));
        // By UID, then what has none; a POP3 server's order is that of the mailbox, which this is but for oddities.
        mailbox.items.sort_by_key(|item| (item.uid.is_none(), item.uid));
        mailbox
    }

    /// A mailbox that the server does not open: what is in it, one row says.
    pub(super) fn closed(&self, listed: &Listed, why: &str) -> Mailbox {
        let path = [self.place, b"/", &listed.name[..]].concat();
        let text = format!("the server does not open the mailbox: {why}");
        let mut mailbox = self.empty(listed);
        mailbox.items.push(self.unreadable(Locator { path, range: None }, "9.1", text));
        mailbox
    }

    fn empty(&self, listed: &Listed) -> Mailbox {
        Mailbox {
            name: MailboxName::inbox(),
            name_was: None,
            uidvalidity: None,
            uidnext: None,
            highest_modseq: None,
            special_use: listed.attributes.iter().find_map(|a| SpecialUse::from_attribute(a)),
            subscribed: listed.subscribed,
            items: Vec::new(),
        }
    }

    fn item(&self, opened: &Opened, message: Summary, is_first: bool) -> Item {
        let path = self.path(&opened.name, opened.uidvalidity, message.uid);
        if !is_first {
            let locator = Locator { path, range: Some((message.number.into(), 0)) };
            let text =
                format!("the server gives UID {} to two messages, and only one can be fetched by it", message.uid);
            return self.unreadable(locator, "9.4", text);
        }
        let mut notices = Vec::new();
        if message.internal_date.is_none() {
            let text = "the server says no INTERNALDATE that is one; 1970 stands for it".to_owned();
            notices.push(Notice { rule: "9.4", place: printable(&path), text });
        }
        let internal_date = message.internal_date.unwrap_or(0);
        Item {
            locator: Locator { path, range: None },
            kind: ItemKind::Message,
            uid: opened.uidvalidity.map(|_| message.uid),
            uidl: None,
            flags: message.flags,
            keywords: message.keywords,
            internal_date,
            stamp: Stamp {
                length_bytes: message.size_bytes,
                modified_ns: internal_date.saturating_mul(1_000_000_000),
                ..Stamp::default()
            },
            // RFC822.SIZE is an estimate with some servers: shorter bytes are not damaged by it.
            promised_size: None,
            promised_crlf_size: None,
            notices,
        }
    }

    /// A message that is counted and not described.
    fn missing(&self, opened: &Opened, number: u32) -> Item {
        let path = self.mailbox_path(&opened.name, opened.uidvalidity);
        let text = format!("the server counts a message {number} and does not describe it");
        self.unreadable(Locator { path, range: Some((number.into(), 0)) }, "9.1", text)
    }

    fn unreadable(&self, locator: Locator, rule: &'static str, text: String) -> Item {
        let notice = Notice { rule, place: printable(&locator.path), text };
        Item {
            locator,
            kind: ItemKind::Unreadable,
            uid: None,
            uidl: None,
            flags: Flags::NONE,
            keywords: Vec::new(),
            internal_date: 0,
            stamp: Stamp::default(),
            promised_size: None,
            promised_crlf_size: None,
            notices: vec![notice],
        }
    }
}
