//! The mailboxes of an account, as delivery asks for them.

use message::{Address, MailboxName, SpecialUse};
use store::{AccountId, Cell, Mailbox, MailboxId, StoreError};

/// What stands before names in many IMAP servers, and in scripts that were written there.
const PREFIX: &str = "INBOX";
/// How the mailbox for unwanted mail is called where an account has none.
const JUNK: &str = "Junk";

/// The mailboxes of an account.
pub(crate) struct Boxes<'a> {
    cell: &'a Cell,
    account: AccountId,
    address: &'a Address,
    list: Vec<Mailbox>,
}

impl<'a> Boxes<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn read(cell: &'a Cell, account: AccountId, address: &'a Address) -> Result<Self, StoreError> {
        let list = cell.read(|view| view.mailboxes(account))?;
        Ok(Boxes { cell, account, address, list })
    }

    /// The INBOX.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn inbox(&self) -> Result<MailboxId, StoreError> {
        let gone = || StoreError::Caller(format!("the account {} has no INBOX", self.address));
        self.named(&MailboxName::inbox()).map(|mailbox| mailbox.id).ok_or_else(gone)
    }

    /// The mailbox of a name.
    pub(crate) fn named(&self, name: &MailboxName) -> Option<&Mailbox> {
        self.list.iter().find(|mailbox| mailbox.name == *name)
    }

    /// The mailbox of a special use: by its attribute, else by a name that people know it by, as IMAP lists it.
    pub(crate) fn of_use(&self, special_use: SpecialUse) -> Option<&Mailbox> {
        let known = |mailbox: &&Mailbox| {
            mailbox.special_use.is_none() && SpecialUse::of_known_name(&mailbox.name) == Some(special_use)
        };
        let by_attribute = self.list.iter().find(|mailbox| mailbox.special_use == Some(special_use));
        by_attribute.or_else(|| self.list.iter().filter(known).min_by_key(|mailbox| mailbox.id))
    }

    /// The mailbox of an object identifier, as IMAP gives it out (RFC 8474 §4).
    pub(crate) fn of_object_id(&self, id: &str) -> Option<&Mailbox> {
        let (number, uidvalidity) = id.strip_prefix('m')?.split_once('-')?;
        let number = i64::from_str_radix(number, 16).ok()?;
        let uidvalidity = u32::from_str_radix(uidvalidity, 16).ok()?;
        self.list.iter().find(|mailbox| mailbox.id.0 == number && mailbox.uidvalidity.unwrap_or(0) == uidvalidity)
    }

    /// The name that a script means. Scripts came here from servers where names began with `INBOX.` and levels were parted
    /// by `.`; what is there already is meant first, in whichever of these ways it is written.
    pub(crate) fn meant(&self, text: &str) -> Option<MailboxName> {
        let levelled = |text: &str| MailboxName::from_levels(text.split('.')).ok();
        let stripped = strip_prefix(text);
        let ways = [
            MailboxName::new(text).ok(),
            stripped.and_then(|text| MailboxName::new(text).ok()),
            stripped.and_then(levelled),
            levelled(text),
        ];
        if let Some(there) = ways.iter().flatten().find(|name| self.named(name).is_some()) {
            return Some(there.clone());
        }
        // Nobody has it yet: the prefix with its dot says by what rules the rest was written.
        let dotted = text.as_bytes().get(PREFIX.len()) == Some(&b'.') && stripped.is_some();
        let [plain, _, of_dots, _] = ways;
        if dotted { of_dots } else { plain }
    }

    /// The mailbox of a name, made where it is missing; `None` where it cannot be.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn make(
        &mut self,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Option<MailboxId>, StoreError> {
        if let Some(there) = self.named(name) {
            return Ok(Some(there.id));
        }
        let special_use = special_use.filter(|_| self.list.iter().all(|mailbox| mailbox.special_use != special_use));
        match self.cell.create_served(self.account, name, special_use)? {
            Ok(made) => {
                self.cell.subscribe(self.account, name, true)?.ok();
                let id = made.mailbox.id;
                self.list.extend(made.superiors);
                self.list.push(made.mailbox);
                Ok(Some(id))
            }
            Err(why) => {
                // Another delivery may have made it in between.
                tracing::info!(account = %self.address, mailbox = %name, %why, "a mailbox could not be made");
                self.list = self.cell.read(|view| view.mailboxes(self.account))?;
                Ok(self.named(name).map(|mailbox| mailbox.id))
            }
        }
    }

    /// The mailbox for unwanted mail, made where it is missing; INBOX where it cannot be.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn junk(&mut self) -> Result<MailboxId, StoreError> {
        if let Some(there) = self.of_use(SpecialUse::Junk) {
            return Ok(there.id);
        }
        let name = MailboxName::new(JUNK).expect("a plain word is a name");
        match self.make(&name, Some(SpecialUse::Junk))? {
            Some(id) => Ok(id),
            None => self.inbox(),
        }
    }
}

/// What stands behind `INBOX.` or `INBOX/`.
fn strip_prefix(text: &str) -> Option<&str> {
    let (start, rest) = (text.get(..PREFIX.len())?, text.get(PREFIX.len()..)?);
    let rest = rest.strip_prefix(['.', '/'])?;
    (start.eq_ignore_ascii_case(PREFIX) && !rest.is_empty()).then_some(rest)
}
