//! Changes of mailboxes: create, rename, delete, subscribe, annotate.

use super::messages::{Asked, EVERY_UID, move_within};
use super::{MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS, MAX_MAILBOXES, Outcome, Refused, Stop, live_account, live_mailbox};
use crate::cell::{Cell, Tx};
use crate::error::StoreError;
use crate::index::{rows, served};
use crate::types::{Account, AccountId, LIVE, Mailbox, MailboxId, NewMailbox, inbox};
use message::{Address, MailboxName, SpecialUse};

type Result<T> = std::result::Result<T, StoreError>;

/// Before an account's number and a UIDVALIDITY that a mailbox had which is gone, while another of the account has it.
pub(crate) const SHARED: &str = "shared uidvalidity ";

/// What was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Superiors that were missing, outermost first.
    pub superiors: Vec<Mailbox>,
}

/// What was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Mailboxes with the names that they had, the one that was asked for first, as they are now. Of INBOX, which stays, the
    /// mailbox that its messages went to.
    pub mailboxes: Vec<(MailboxName, Mailbox)>,
    /// Superiors that were missing, outermost first.
    pub superiors: Vec<Mailbox>,
}

impl Cell {
    /// The live account of an address, made with an INBOX where there is none.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn open_served(&self, address: &Address) -> Result<Account> {
        let found = self.read(|view| {
            let Some(account) = view.account(LIVE, address)? else { return Ok(None) };
            let inbox = view.mailbox_by_name(account.id, &MailboxName::inbox())?;
            Ok(inbox.map(|_| account))
        })?;
        if let Some(account) = found {
            return Ok(account);
        }
        self.write(|tx| {
            let account = tx.account_or_new(LIVE, address)?;
            if tx.mailbox_by_name(account.id, &MailboxName::inbox())?.is_none() {
                tx.create_mailbox(&account, &fresh_inbox())?;
            }
            Ok(account)
        })
    }

    /// Makes a mailbox, and its superiors as far as they are missing (RFC 9051 §6.3.4).
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn create_served(
        &self,
        account: AccountId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Outcome<Created>> {
        self.serve(|tx| {
            let account = live_account(tx, account)?.ok_or(Refused::NoSuchMailbox)?;
            let boxes = tx.mailboxes(account.id)?;
            if boxes.iter().any(|m| m.name == *name) {
                return Err(Refused::AlreadyExists.into());
            }
            if special_use.is_some() && boxes.iter().any(|m| m.special_use == special_use) {
                return Err(Refused::SpecialUseTaken.into());
            }
            let superiors = make_superiors(tx, &account, name)?;
            let mailbox = make(tx, &account, name, special_use)?;
            Ok(Created { mailbox, superiors })
        })
    }

    /// Renames a mailbox with its inferiors (RFC 9051 §6.3.6). INBOX stays, and its inferiors too: its messages go to a
    /// new mailbox of the name.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn rename(&self, account: AccountId, from: &MailboxName, to: &MailboxName) -> Result<Outcome<Renamed>> {
        self.serve(|tx| {
            let account = live_account(tx, account)?.ok_or(Refused::NoSuchMailbox)?;
            let boxes = tx.mailboxes(account.id)?;
            let source = boxes.iter().find(|m| m.name == *from).ok_or(Refused::NoSuchMailbox)?;
            if source.name.is_inbox() {
                return rename_inbox(tx, &account, source, &boxes, to);
            }
            if from == to {
                return Err(Refused::AlreadyExists.into());
            }
            if is_inferior(to, from) {
                return Err(Refused::IntoItself.into());
            }
            let mut moving = vec![(source, to.clone())];
            for inferior in boxes.iter().filter(|m| is_inferior(&m.name, from)) {
                let rest = &inferior.name.as_str()[from.as_str().len()..];
                let name = MailboxName::new(&format!("{to}{rest}")).map_err(|_| Refused::NameTooLong)?;
                moving.push((inferior, name));
            }
            let staying = |m: &&Mailbox| moving.iter().all(|(moved, _)| moved.id != m.id);
            if boxes.iter().filter(staying).any(|m| moving.iter().any(|(_, name)| m.name == *name)) {
                return Err(Refused::AlreadyExists.into());
            }
            // The shortest first: where a name goes up a level, another of them may have it until then.
            moving.sort_by_key(|(m, _)| m.name.as_str().len());
            let mut mailboxes = Vec::new();
            for (mailbox, name) in moving {
                let shared = is_shared(tx, account.id, mailbox, &boxes)?;
                let uidvalidity = if shared { fresh_uidvalidity(tx, &account)? } else { mailbox.uidvalidity };
                let renamed = Mailbox { name, uidvalidity, ..mailbox.clone() };
                mailboxes.push((mailbox.name.clone(), put(tx, account.id, &renamed)?));
            }
            // Behind it: a superior of the new name may be what was renamed.
            let superiors = make_superiors(tx, &account, to)?;
            Ok(Renamed { mailboxes, superiors })
        })
    }

    /// Deletes a mailbox that has no inferiors (RFC 9051 §6.3.5). A subscription to it becomes one to its name.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn delete(&self, account: AccountId, name: &MailboxName) -> Result<Outcome<Mailbox>> {
        self.serve(|tx| {
            live_account(tx, account)?.ok_or(Refused::NoSuchMailbox)?;
            let boxes = tx.mailboxes(account)?;
            let mailbox = boxes.iter().find(|m| m.name == *name).ok_or(Refused::NoSuchMailbox)?;
            if name.is_inbox() {
                return Err(Refused::Inbox.into());
            }
            if boxes.iter().any(|m| is_inferior(&m.name, name)) {
                return Err(Refused::HasChildren.into());
            }
            if let Some(uidvalidity) = mailbox.uidvalidity
                && has_twin(mailbox, &boxes)
            {
                rows::set_note(tx.db, &shared_note(account, uidvalidity), "1")?;
            }
            let messages = served::count_messages(tx.db, account, mailbox.id)?;
            let size_bytes = served::size_between(tx.db, account, mailbox.id, EVERY_UID)?;
            rows::delete_mailbox(tx.db, account, mailbox.id)?;
            tx.touched().mailbox(account, mailbox.id);
            tx.touched().usage(account, -(messages as i64), -(size_bytes as i64));
            if mailbox.subscribed {
                served::put_subscription(tx.db, account, name)?;
            }
            Ok(mailbox.clone())
        })
    }

    /// Subscribes to a name, whether there is a mailbox or not, or unsubscribes. Gives whether that changed anything.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn subscribe(&self, account: AccountId, name: &MailboxName, subscribed: bool) -> Result<Outcome<bool>> {
        self.serve(|tx| {
            live_account(tx, account)?.ok_or(Refused::NoSuchMailbox)?;
            if let Some(mailbox) = served::mailbox_by_name(tx.db, account, name)? {
                let changes = mailbox.subscribed != subscribed;
                if changes {
                    put(tx, account, &Mailbox { subscribed, ..mailbox })?;
                }
                return Ok(changes);
            }
            let changes = if subscribed {
                served::put_subscription(tx.db, account, name)?
            } else {
                served::delete_subscription(tx.db, account, name)?
            };
            if changes {
                tx.touched().account(account);
            }
            if subscribed && served::count_subscriptions(tx.db, account)? > MAX_MAILBOXES {
                return Err(Refused::TooManyMailboxes.into());
            }
            Ok(changes)
        })
    }

    /// Sets annotations of a mailbox, or of the server, or removes those without a value (RFC 5464): all or none. Names of
    /// entries are taken without regard to case. Gives the entries that changed.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn set_annotations(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<Outcome<Vec<String>>> {
        self.serve(|tx| {
            match mailbox {
                Some(mailbox) => _ = live_mailbox(tx, account, mailbox)?.ok_or(Refused::NoSuchMailbox)?,
                None => _ = live_account(tx, account)?.ok_or(Refused::NoSuchMailbox)?,
            }
            let mut changed = Vec::new();
            for (entry, value) in entries {
                let entry = entry.to_ascii_lowercase();
                if !is_entry(&entry) {
                    return Err(Refused::BadEntry.into());
                }
                if value.as_ref().is_some_and(|v| v.len() > MAX_ANNOTATION_BYTES) {
                    return Err(Refused::AnnotationTooLarge.into());
                }
                if served::put_annotation(tx.db, account, mailbox, &entry, value.as_deref())? {
                    changed.push(entry);
                }
            }
            if !changed.is_empty() {
                tx.touched().account(account);
            }
            if served::annotations(tx.db, account, mailbox)?.len() > MAX_ANNOTATIONS {
                return Err(Refused::TooManyAnnotations.into());
            }
            Ok(changed)
        })
    }
}

/// Whether a text names an annotation as it is kept: in lower case, `/private/…` or `/shared/…`, without wildcards,
/// empty components and a slash at the end (RFC 5464 §3.1).
pub(crate) fn is_entry(text: &str) -> bool {
    let mut components = text.strip_prefix('/').unwrap_or("").split('/');
    let scope = components.next();
    let fits = |c: &str| !c.is_empty() && c.bytes().all(|b| (b' '..0x7f).contains(&b) && !b"*%".contains(&b));
    let rest: Vec<&str> = components.collect();
    matches!(scope, Some("private" | "shared"))
        && !rest.is_empty()
        && rest.into_iter().all(fits)
        && !text.bytes().any(|b| b.is_ascii_uppercase())
        && text.len() <= MailboxName::MAX_BYTES
}

fn rename_inbox(
    tx: &Tx<'_>,
    account: &Account,
    source: &Mailbox,
    boxes: &[Mailbox],
    to: &MailboxName,
) -> std::result::Result<Renamed, Stop> {
    if boxes.iter().any(|m| m.name == *to) {
        return Err(Refused::AlreadyExists.into());
    }
    let superiors = make_superiors(tx, account, to)?;
    let made = make(tx, account, to, None)?;
    move_within(tx, account.id, source.id, &Asked::All, made.id)?;
    let made = served::mailbox(tx.db, account.id, made.id)?.ok_or(Refused::NoSuchMailbox)?;
    Ok(Renamed { mailboxes: vec![(source.name.clone(), made)], superiors })
}

/// Makes the superiors of a name that are missing.
fn make_superiors(tx: &Tx<'_>, account: &Account, name: &MailboxName) -> std::result::Result<Vec<Mailbox>, Stop> {
    let mut made = Vec::new();
    for (end, _) in name.as_str().match_indices(MailboxName::SEPARATOR) {
        let superior = MailboxName::new(&name.as_str()[..end]).expect("levels of a name make a name");
        if served::mailbox_by_name(tx.db, account.id, &superior)?.is_none() {
            made.push(make(tx, account, &superior, None)?);
        }
    }
    Ok(made)
}

fn make(
    tx: &Tx<'_>,
    account: &Account,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> std::result::Result<Mailbox, Stop> {
    if served::count_mailboxes(tx.db, account.id)? >= MAX_MAILBOXES {
        return Err(Refused::TooManyMailboxes.into());
    }
    let id = rows::next_mailbox_id(tx.db, account.id)?;
    let uidvalidity = fresh_uidvalidity(tx, account)?;
    let new = NewMailbox { name: name.clone(), uidvalidity, special_use, subscribed: false, ..fresh_inbox() };
    Ok(put(tx, account.id, &new.numbered(id))?)
}

/// An INBOX as a client first sees it. No modification sequence that is told is 0 (RFC 7162 §7), so that it begins with 1:
/// the first message raises it, and a client that compares the two sees that mail came.
fn fresh_inbox() -> NewMailbox {
    NewMailbox { highest_modseq: 1, ..inbox() }
}

/// A UIDVALIDITY above every one that the account had: a recovered mailbox may have had the highest that there is.
fn fresh_uidvalidity(tx: &Tx<'_>, account: &Account) -> std::result::Result<Option<u32>, Stop> {
    match tx.max_uidvalidity(account.id)? {
        u32::MAX => Err(Refused::NoUidvalidityLeft.into()),
        _ => Ok(Some(tx.fresh_uidvalidity(account.id)?)),
    }
}

/// Writes a mailbox's row, and gives it as it stands: it may have taken over a subscription.
fn put(tx: &Tx<'_>, account: AccountId, mailbox: &Mailbox) -> Result<Mailbox> {
    rows::put_mailbox(tx.db, account, mailbox.id, &mailbox.unnumbered())?;
    tx.touched().mailbox(account, mailbox.id);
    let found = served::mailbox(tx.db, account, mailbox.id)?;
    found.ok_or_else(|| StoreError::BadRow(format!("mailbox {} of account {} is gone", mailbox.id.0, account.0)))
}

fn is_inferior(name: &MailboxName, of: &MailboxName) -> bool {
    name.as_str().strip_prefix(of.as_str()).is_some_and(|rest| rest.starts_with(MailboxName::SEPARATOR))
}

fn has_twin(mailbox: &Mailbox, boxes: &[Mailbox]) -> bool {
    boxes.iter().any(|m| m.id != mailbox.id && m.uidvalidity == mailbox.uidvalidity)
}

fn shared_note(account: AccountId, uidvalidity: u32) -> String {
    format!("{SHARED}{} {uidvalidity}", account.0)
}

/// Whether another mailbox of the account has a mailbox's UIDVALIDITY, or one that is gone had it.
fn is_shared(tx: &Tx<'_>, account: AccountId, mailbox: &Mailbox, boxes: &[Mailbox]) -> Result<bool> {
    let note = mailbox.uidvalidity.map(|v| rows::note(tx.db, &shared_note(account, v))).transpose()?;
    Ok(has_twin(mailbox, boxes) || note.flatten().is_some())
}
