//! An IMAP server as a source: the mail of every account that the description knows how to sign in for.
//!
//! Mailboxes are opened with EXAMINE and bytes are read with BODY.PEEK, so that nothing changes there. What lies where is
//! named by what the server promises not to change: an item's path is its account, mailbox, UIDVALIDITY and UID. So a
//! staging that was stopped goes on where it was, and a mailbox that was numbered anew in between is noticed.
//!
//! Who there is, with passwords, aliases and domains, is no business of IMAP: files say that, as for any source.

mod exclude;
mod keys;
mod mailbox;
mod names;
mod pool;
mod uidls;

pub(crate) use exclude::Exclude;
pub(crate) use keys::{Keys, Written};

use crate::description::Description;
use crate::maildir::UidlRule;
use crate::maildir::folder_name::distinct;
use crate::remote::imap::{Listed, Listing, Opened, Summaries};
use crate::remote::pop3::{self, Entry};
use crate::remote::{Access, RemoteError, Server, SignIn};
use crate::root::printable;
use crate::{
    Directory, Item, ItemKind, Locator, Mailbox, Maildrop, MaildropScan, Notice, ReadError, Source, SourceError, Stamp,
    directory,
};
use mailbox::Place;
use message::{Address, Flags, SpecialUse};
use names::Names;
use pool::{Held, Limits, Pool, Wish};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Messages that are read ahead of being asked for, and their size as the server says it: a round trip for each would be
/// most of the time on a long line, and what was read for nothing is little.
const AHEAD_MESSAGES: usize = 16;
const AHEAD_BYTES: u64 = 512 << 10;

/// Messages of mailboxes whose order is remembered for reading ahead, of 8 bytes each.
const REMEMBERED_MESSAGES: usize = 2 << 20;

/// A mailbox that changes while it is listed is listed so often, then later again.
const LISTING_ATTEMPTS: usize = 3;

/// After so many, a server that breaks off over a message is not asked for it again.
const BREAKS_FOR_ONE_MESSAGE: u32 = 3;

/// Accounts that an error names.
const MAX_NAMED: usize = 10;

/// The accounts of an IMAP server.
pub(crate) struct ImapSource {
    description: Description,
    keys: Keys,
    access: Access,
    pool: Pool,
    pop3: Option<Server>,
    /// By the place of their maildrop.
    accounts: BTreeMap<Vec<u8>, Address>,
    order: Mutex<Order>,
}

/// UIDs and sizes of mailboxes, by path of the mailbox and UIDVALIDITY.
#[derive(Default)]
struct Order {
    mailboxes: HashMap<Vec<u8>, Arc<Vec<(u32, u32)>>>,
    messages: usize,
}

impl ImapSource {
    /// Prepares to read; no connection is made.
    ///
    /// # Errors
    /// When a file cannot be read, or an account has no password.
    pub(crate) fn new(description: Description, keys: Keys) -> Result<ImapSource, SourceError> {
        let access = keys.access()?;
        let server = keys.server(&keys.url)?;
        let pop3 = keys.pop3_url.as_ref().map(|url| keys.server(url)).transpose()?;
        let limits = Limits { connections: keys.connections.into(), pause: keys.pause, patience: keys.patience };
        let (accounts, order) = Default::default();
        let pool = Pool::new(server, limits);
        let mut source = ImapSource { description, keys, access, pool, pop3, accounts, order };
        source.find_accounts()?;
        Ok(source)
    }

    /// Whose mail is read: the account, or those of the file of accounts, or else those that there are passwords of.
    fn find_accounts(&mut self) -> Result<(), SourceError> {
        let addresses: Vec<Address> = match (&self.description.account, &self.description.accounts) {
            (Some(account), _) => vec![account.clone()],
            (None, Some(_)) => self.directory()?.accounts.into_iter().map(|account| account.address).collect(),
            (None, None) => self.access.addresses().into_iter().flatten().cloned().collect(),
        };
        let without: Vec<&Address> = addresses.iter().filter(|a| self.access.sign_in(a).is_none()).collect();
        if !without.is_empty() {
            let named: Vec<&str> = without.iter().take(MAX_NAMED).map(|a| a.as_str()).collect();
            let more = without.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!("key credentials: the file has no password of {}{more}", named.join(", "));
            return Err(SourceError::Description { path: self.description.path.clone(), message });
        }
        self.accounts = addresses.into_iter().map(|address| (place_of(&address), address)).collect();
        Ok(())
    }

    fn account(&self, place: &[u8]) -> Option<(&Address, SignIn)> {
        let address = self.accounts.get(place)?;
        Some((address, self.access.sign_in(address)?))
    }

    /// Lists one mailbox; an error of the server's about it alone becomes an item.
    fn mailbox(
        &self,
        at: &Place<'_>,
        sign_in: &SignIn,
        listed: &Listed,
        notices: &mut Vec<Notice>,
    ) -> Result<Mailbox, RemoteError> {
        let wish = Wish { mailbox: &listed.name, uid: None };
        let read = self.pool.with(at.address.as_str(), sign_in, Some(wish), |held| {
            held.ahead.clear();
            let mut attempts = 0;
            loop {
                let opened = held.session.examine(&listed.name)?;
                let summaries = held.session.summaries()?;
                attempts += 1;
                if !summaries.disturbed {
                    return Ok((opened, summaries));
                }
                if attempts == LISTING_ATTEMPTS {
                    let text = format!("messages of {} go while it is listed", printable(&listed.name));
                    return Err(RemoteError::Unavailable { server: self.keys.url.to_string(), text });
                }
            }
        });
        match read {
            Ok((opened, summaries)) => {
                self.remember(at, &opened, &summaries);
                Ok(at.mailbox(listed, &opened, summaries, notices))
            }
            Err(RemoteError::Answer { text, .. }) => Ok(at.closed(listed, &text)),
            Err(error) => Err(error),
        }
    }

    fn remember(&self, at: &Place<'_>, opened: &Opened, summaries: &Summaries) {
        let messages = summaries.messages.iter();
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut uids: Vec<(u32, u32)> = messages.map(|m| (m.uid, size(m.size_bytes))).collect();
        uids.sort_unstable();
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if order.messages + uids.len() > REMEMBERED_MESSAGES {
            *order = Order::default();
        }
        order.messages += uids.len();
        order.mailboxes.insert(at.mailbox_path(&opened.name, opened.uidvalidity), Arc::new(uids));
    }

    /// What is read with a message: those that follow it, as far as they are small.
    fn with_next(&self, mailbox_path: &[u8], uid: u32) -> Vec<u32> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let known = order.mailboxes.get(mailbox_path).cloned();
        drop(order);
        let mut uids = vec![uid];
        let Some(known) = known else { return uids };
        let from = known.partition_point(|(known, _)| *known <= uid);
        let mut bytes = from.checked_sub(1).map_or(0, |own| u64::from(known[own].1));
        for (next, size) in known[from..].iter().take(AHEAD_MESSAGES - 1) {
            bytes += u64::from(*size);
            if bytes > AHEAD_BYTES {
                break;
            }
            uids.push(*next);
        }
        uids
    }

    /// Gives the messages of the INBOX the UIDLs that they were served with.
    fn uidls(
        &self,
        at: &Place<'_>,
        sign_in: &SignIn,
        mailbox: &mut Mailbox,
        notices: &mut Vec<Notice>,
    ) -> Result<(), RemoteError> {
        if let Some(server) = &self.pop3 {
            let entries = self.maildrop_list(server, sign_in)?;
            let messages = || mailbox.items.iter().filter(|item| item.kind == ItemKind::Message);
            let sizes: Vec<u64> = messages().map(|item| item.stamp.length_bytes).collect();
            let tied = uidls::tie(&sizes, &entries);
            let (messages, lines) = (sizes.len(), entries.len());
            let items = mailbox.items.iter_mut().filter(|item| item.kind == ItemKind::Message);
            items.zip(tied.uidls).for_each(|(item, uidl)| item.uidl = uidl);
            if tied.loose + tied.bare > 0 {
                let text = format!(
                    "POP3 lists {lines} messages and IMAP {messages}; {} of POP3's could not be told for sure by order and \
                     size, and {} messages get no UIDL of the old server",
                    tied.loose, tied.bare
                );
                notices.push(Notice { rule: "5.2", place: at.printable(b"INBOX"), text });
            }
            return Ok(());
        }
        let fallback = UidlRule::dovecot();
        let rule = self.description.uidl_rule.as_ref().unwrap_or(&fallback);
        let Some(uidvalidity) = mailbox.uidvalidity else { return Ok(()) };
        for item in mailbox.items.iter_mut().filter(|item| item.kind == ItemKind::Message) {
            item.uidl = item.uid.and_then(|uid| rule.of_uid(uid, uidvalidity));
        }
        Ok(())
    }

    /// One short session of POP3; a maildrop that is in use is waited for.
    fn maildrop_list(&self, server: &Server, sign_in: &SignIn) -> Result<Vec<Entry>, RemoteError> {
        pool::patiently(
            self.keys.patience,
            || false,
            || {
                let mut session = pop3::Session::open(server, sign_in)?;
                let entries = session.list()?;
                session.quit();
                Ok(entries)
            },
        )
    }

    /// Opens the mailbox that a message lies in, if it is not open; an error where it was numbered anew.
    fn open_at(&self, held: &mut Held, at: &Position<'_>) -> Result<Opening, RemoteError> {
        if held.session.opened().is_some_and(|o| o.name == at.mailbox && o.uidvalidity == at.uidvalidity) {
            return Ok(Opening::WasOpen);
        }
        self.open_anew(held, at)
    }

    fn open_anew(&self, held: &mut Held, at: &Position<'_>) -> Result<Opening, RemoteError> {
        held.ahead.clear();
        let opened = held.session.examine(at.mailbox)?;
        Ok(if opened.uidvalidity == at.uidvalidity { Opening::Fresh } else { Opening::Renumbered(opened.uidvalidity) })
    }

    /// Reads a message and those that follow it, into the session's room; `None`: that did not work out, which says nothing
    /// of the message itself.
    fn read_ahead(&self, held: &mut Held, at: &Position<'_>, buffer: &mut Vec<u8>) -> Result<Option<()>, RemoteError> {
        if !matches!(self.open_at(held, at)?, Opening::WasOpen | Opening::Fresh) {
            return Ok(None);
        }
        if let Some(bytes) = held.ahead.remove(&at.uid) {
            *buffer = bytes;
            return Ok(Some(()));
        }
        held.ahead.clear();
        buffer.clear();
        let uids = self.with_next(at.mailbox_path, at.uid);
        if uids.len() == 1 {
            return Ok(None);
        }
        let (mut found, ahead) = (None, &mut held.ahead);
        // Sizes may lie, so that all together have a limit of their own.
        held.session.bodies(&uids, 4 * AHEAD_BYTES, |uid, bytes| {
            if uid == at.uid {
                buffer.extend_from_slice(bytes);
                found = Some(());
            } else {
                ahead.insert(uid, bytes.to_vec());
            }
        })?;
        Ok(found)
    }

    /// Reads one message. `broken` counts how often the server broke off over it, when all else went well.
    fn read_alone(
        &self,
        held: &mut Held,
        at: &Position<'_>,
        broken: &mut u32,
        buffer: &mut Vec<u8>,
    ) -> Result<Read, RemoteError> {
        let mut opening = self.open_at(held, at)?;
        loop {
            if let Opening::Renumbered(now) = opening {
                return Ok(Read::Renumbered(now));
            }
            let mut found = false;
            let fetched = held.session.bodies(&[at.uid], self.description.max_message_bytes, |_, bytes| {
                buffer.extend_from_slice(bytes);
                found = true;
            });
            match fetched {
                Ok(()) if found => return Ok(Read::Done),
                Ok(()) if opening == Opening::Fresh => return Ok(Read::Gone),
                // What came after the mailbox was opened may not be known to this session.
                Ok(()) => opening = self.open_anew(held, at)?,
                Err(error) if error.is_temporary() => {
                    *broken += 1;
                    if *broken < BREAKS_FOR_ONE_MESSAGE {
                        return Err(error);
                    }
                    return Ok(Read::Broken(error));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What opening a mailbox for one of its messages came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    WasOpen,
    Fresh,
    Renumbered(Option<u32>),
}

/// What reading a message came to, but for errors that have nothing to do with it.
enum Read {
    Done,
    Gone,
    Renumbered(Option<u32>),
    /// The server is there, and breaks off over this message.
    Broken(RemoteError),
}

impl Source for ImapSource {
    fn describe(&self) -> String {
        format!("IMAP server {}", self.keys.url)
    }

    fn directory(&self) -> Result<Directory, SourceError> {
        directory::read(&self.description, directory::named_file)
    }

    fn maildrops(&self) -> Result<Vec<Maildrop>, SourceError> {
        let maildrop =
            |(place, address): (&Vec<u8>, &Address)| Maildrop { address: Some(address.clone()), place: place.clone() };
        Ok(self.accounts.iter().map(maildrop).collect())
    }

    fn scan(&self, maildrop: &Maildrop) -> Result<MaildropScan, SourceError> {
        let Some((address, sign_in)) = self.account(&maildrop.place) else {
            let message = format!("there is no account {}", printable(&maildrop.place));
            return Err(SourceError::Description { path: self.description.path.clone(), message });
        };
        let (listing, server_utf8) = self
            .pool
            .with(address.as_str(), &sign_in, None, |held| Ok((held.session.list()?, held.session.has_utf8_names())))?;
        let at = Place { address, place: &maildrop.place };
        let utf8 = server_utf8 || self.description.utf8_names;
        let names = Names::new(&listing, &self.description.namespace_prefix, utf8);
        let mut scan = MaildropScan::default();
        let mut taken = HashSet::new();
        for listed in self.chosen(&listing, &names, &at, &mut scan.notices) {
            let named = names.of(listed);
            let name = distinct(named.name.clone(), &mut taken);
            let mut mailbox = self.mailbox(&at, &sign_in, listed, &mut scan.notices)?;
            mailbox.name = name.clone();
            let why = named.mended.or_else(|| (named.name != name).then(|| "another mailbox has it".to_owned()));
            if let Some(why) = why {
                mailbox.name_was = Some(listed.name.clone());
                let text = format!("the name could not be kept because {why}; the mailbox is {name}");
                scan.notices.push(Notice { rule: "6.1", place: at.printable(&listed.name), text });
            }
            if names.is_root(listed) && is_inbox_again(&mailbox, &scan.mailboxes) {
                let text = "the mailbox is not read: it is the INBOX by another name".to_owned();
                scan.notices.push(Notice { rule: "9.5", place: at.printable(&listed.name), text });
                continue;
            }
            if mailbox.name.is_inbox() {
                self.uidls(&at, &sign_in, &mut mailbox, &mut scan.notices)?;
            }
            scan.mailboxes.push(mailbox);
        }
        scan.mailboxes.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        Ok(scan)
    }

    fn read(&self, locator: &Locator, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        buffer.clear();
        let at = Position::parse(&locator.path).filter(|_| locator.range.is_none()).ok_or(ReadError::NotAFile)?;
        let (address, sign_in) = self.account(at.place).ok_or(ReadError::Gone)?;
        let wish = Some(Wish { mailbox: at.mailbox, uid: Some(at.uid) });
        let account = address.as_str();
        let ahead = self.pool.once(account, &sign_in, wish, |held| self.read_ahead(held, &at, buffer));
        if let Ok(Some(())) = ahead {
            return self.checked(buffer);
        }
        // Whatever kept it from being read beside others: the message itself is asked for.
        let mut broken = 0;
        let read = self.pool.with(account, &sign_in, wish, |held| {
            buffer.clear();
            self.read_alone(held, &at, &mut broken, buffer)
        });
        let limit_bytes = self.description.max_message_bytes;
        let error = match read {
            Ok(Read::Done) => return self.checked(buffer),
            Ok(Read::Gone) => ReadError::Gone,
            Ok(Read::Renumbered(now)) => ReadError::Renumbered {
                mailbox: printable(at.mailbox),
                was: at.uidvalidity.unwrap_or(0),
                now: now.unwrap_or(0),
            },
            Err(RemoteError::TooLarge { length_bytes, .. }) => ReadError::TooLarge { length_bytes, limit_bytes },
            Err(error) if error.is_temporary() => ReadError::Away(error),
            Ok(Read::Broken(error)) | Err(error) => ReadError::Remote(error),
        };
        buffer.clear();
        Err(error)
    }
}

impl ImapSource {
    /// Whether a message that was read is no larger than it may be.
    fn checked(&self, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let (length_bytes, limit_bytes) = (buffer.len() as u64, self.description.max_message_bytes);
        if length_bytes > limit_bytes {
            buffer.clear();
            return Err(ReadError::TooLarge { length_bytes, limit_bytes });
        }
        Ok(())
    }
}

impl ImapSource {
    /// The mailboxes to read, INBOX first; of the others it is said why not.
    fn chosen<'l>(
        &self,
        listing: &'l Listing,
        names: &Names<'_>,
        at: &Place<'_>,
        notices: &mut Vec<Notice>,
    ) -> Vec<&'l Listed> {
        let mut left_out = |listed: &Listed, why: &str| {
            let place = at.printable(&listed.name);
            notices.push(Notice { rule: "9.5", place, text: format!("the mailbox is not read: {why}") });
        };
        let mut chosen: Vec<&Listed> = Vec::new();
        for listed in listing.mailboxes.iter().filter(|listed| listed.can_be_opened()) {
            let name = names.of(listed).name;
            if names.is_foreign(listed) {
                left_out(listed, "it is in a namespace of other people's or shared mailboxes");
            } else if self.keys.exclude.iter().any(|exclude| exclude.fits(listed, &name)) {
                left_out(listed, "key exclude of the description leaves it out");
            } else {
                chosen.push(listed);
            }
        }
        for listed in &chosen {
            if let Some(attribute) = ["\\All", "\\Flagged", "\\Important"].into_iter().find(|a| listed.has(a)) {
                let text = format!(
                    "the server calls it {attribute}: often a view of mail that lies in other mailboxes too; exclude = \
                     [\"\\{attribute}\"] leaves it out"
                );
                notices.push(Notice { rule: "6.2", place: at.printable(&listed.name), text });
            }
        }
        // A mailbox that takes another's name comes behind it.
        chosen.sort_by_key(|listed| !listed.name.eq_ignore_ascii_case(b"INBOX"));
        chosen
    }
}

/// Whether a mailbox has the messages of the INBOX under the same UIDVALIDITY and UIDs.
fn is_inbox_again(mailbox: &Mailbox, others: &[Mailbox]) -> bool {
    let uids = |m: &Mailbox| m.items.iter().map(|item| item.uid).collect::<Vec<_>>();
    let is_same = |inbox: &&Mailbox| inbox.uidvalidity.is_some() && inbox.uidvalidity == mailbox.uidvalidity;
    let inbox = others.iter().find(|other| other.name.is_inbox());
    inbox.filter(is_same).is_some_and(|inbox| !mailbox.name.is_inbox() && uids(inbox) == uids(mailbox))
}

/// The place of an account's maildrop: one component, because an address holds no `/`.
fn place_of(address: &Address) -> Vec<u8> {
    address.key().as_bytes().to_vec()
}

/// Where a message lies, as its locator says: `ana@example.org/Facturas/1373461200/7`.
struct Position<'p> {
    place: &'p [u8],
    /// Everything before the UID.
    mailbox_path: &'p [u8],
    mailbox: &'p [u8],
    uidvalidity: Option<u32>,
    uid: u32,
}

impl<'p> Position<'p> {
    fn parse(path: &'p [u8]) -> Option<Self> {
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u32>().ok();
        let split = |path: &'p [u8]| path.iter().rposition(|b| *b == b'/').map(|at| (&path[..at], &path[at + 1..]));
        let (mailbox_path, uid) = split(path)?;
        let (mailbox, uidvalidity) = split(mailbox_path)?;
        let slash = mailbox.iter().position(|b| *b == b'/')?;
        let (place, mailbox) = (&mailbox[..slash], &mailbox[slash + 1..]);
        let uidvalidity = Some(number(uidvalidity)?).filter(|v| *v > 0);
        Some(Position { place, mailbox_path, mailbox, uidvalidity, uid: number(uid)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_account_mailbox_uidvalidity_and_uid() {
        let address = Address::new("Ana+x@example.org").unwrap();
        let place = place_of(&address);
        let at = Place { address: &address, place: &place };
        for name in [&b"INBOX"[..], b"a/b.c", b"\xff/", b"1/2/3"] {
            let path = at.path(name, Some(7), 9);
            let position = Position::parse(&path).unwrap();
            assert_eq!((position.place, position.mailbox), (&place[..], name));
            assert_eq!((position.uidvalidity, position.uid), (Some(7), 9));
            assert_eq!(position.mailbox_path, at.mailbox_path(name, Some(7)));
        }
        assert_eq!(Position::parse(&at.path(b"x", None, 1)).unwrap().uidvalidity, None);
        for wrong in [&b""[..], b"a", b"a/b", b"a/1/2", b"a/b/1/x", b"a/b/x/1"] {
            assert!(Position::parse(wrong).is_none(), "{:?}", wrong.escape_ascii().to_string());
        }
    }
}
