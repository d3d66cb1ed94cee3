//! What is known of one address in both lineages: what a decision rests on.

use super::line::{AccountLine, Entry, MaildropLine};
use directory::{
    Account, Alias, AliasAddress, Directory, DirectoryError, Forward, LineageAccount, LineageAlias, LineageId,
    LineageScript, Script, Tx,
};
use message::Address;

/// Mail of an account in one lineage, counted by whoever knows the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailSeen {
    /// Messages.
    pub messages: u64,
    /// The latest INTERNALDATE, in seconds since 1970 UTC.
    pub last_at: Option<i64>,
}

/// What only the caller knows of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Mail that is staged for it; `None`: the lineage has no mailboxes for it, orphans included.
    pub before_mail: Option<MailSeen>,
    /// Mail that the live account has.
    pub live_mail: Option<MailSeen>,
    /// Whether two people held the address, where a person has declared it or an apply has already acted on it.
    pub two_people: Option<bool>,
}

/// What is known of one address.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The address; as *after* spells it, else as *before* does.
    pub address: Address,
    /// Its account line in *before*.
    pub before: Option<AccountLine>,
    /// Its maildrops in *before*.
    pub before_maildrops: Vec<MaildropLine>,
    /// Its scripts in *before*.
    pub before_scripts: Vec<LineageScript>,
    /// The targets of the alias that stands at the address in *before*.
    pub before_alias: Option<Vec<String>>,
    /// The first of those targets that is an account here.
    pub before_alias_account: Option<Address>,
    /// The live account.
    pub live: Option<Account>,
    /// Its scripts.
    pub live_scripts: Vec<Script>,
    /// Its forward.
    pub live_forward: Option<Forward>,
    /// The live alias at the address, where it is in force.
    pub live_alias: Option<Alias>,
    /// The first of its targets that is an account here.
    pub live_alias_account: Option<Address>,
    /// What only the caller knows.
    pub known: Known,
}

impl Facts {
    /// Reads what the directory knows of an address, inside a transaction or outside.
    ///
    /// # Errors
    /// Those of the directory.
    pub fn read(
        records: &impl Records,
        before: LineageId,
        address: &Address,
        known: Known,
    ) -> Result<Self, DirectoryError> {
        let key = address.key();
        let entry = records.lineage_account(before, key)?.as_ref().map(Entry::of).transpose()?.unwrap_or_default();
        let staged = entry.maildrops.iter().flat_map(|m| &m.scripts).map(|(_, name)| name).collect::<Vec<_>>();
        let mut before_scripts = records.lineage_scripts(before, key)?;
        // A script whose file was gone at a later staging has a row still, but no maildrop.
        before_scripts.retain(|s| staged.contains(&&s.name));
        let live = records.account(address)?;
        let (mut live_scripts, mut live_forward) = (Vec::new(), None);
        if let Some(live) = &live {
            live_scripts = records.scripts(live.id)?;
            live_forward = records.forward(live.id)?;
        }
        let before_alias = records.lineage_alias(before, key)?.map(|a| a.targets);
        let live_alias = records.alias(&AliasAddress::Exact(address.clone()))?.filter(|a| a.enabled);
        let spelling = live.as_ref().map(|a| &a.address).or(entry.line.as_ref().map(|l| &l.address));
        let spelling = spelling.or(entry.maildrops.first().map(|m| &m.address)).unwrap_or(address).clone();
        let receiver = |targets: Option<&Vec<String>>| receiver(records, before, key, targets.map_or(&[], |t| t));
        Ok(Facts {
            before_alias_account: receiver(before_alias.as_ref())?,
            live_alias_account: receiver(live_alias.as_ref().map(|a| &a.targets))?,
            address: spelling,
            before: entry.line,
            before_maildrops: entry.maildrops,
            before_scripts,
            before_alias,
            live,
            live_scripts,
            live_forward,
            live_alias,
            known,
        })
    }

    /// Whether *before* has a maildrop, or mail that was found for the address elsewhere (`RULES.md 9.3`).
    pub fn before_has_maildrop(&self) -> bool {
        !self.before_maildrops.is_empty() || self.known.before_mail.is_some()
    }

    /// Whether *before* had an account at the address.
    pub fn before_has_account(&self) -> bool {
        self.before.is_some() || self.before_has_maildrop()
    }

    /// The quota in *before*: that of the account line, else that of its maildrops.
    pub(super) fn before_quota_bytes(&self) -> Option<u64> {
        let line = self.before.as_ref().and_then(|l| l.quota_bytes).and_then(fit_quota);
        line.or_else(|| self.before_maildrops.iter().filter_map(|m| m.quota_bytes).filter_map(fit_quota).max())
    }
}

/// A quota that means one: none says zero, and none is larger than any disk.
fn fit_quota(bytes: u64) -> Option<u64> {
    (bytes > 0 && i64::try_from(bytes).is_ok()).then_some(bytes)
}

/// The first target that is an account, live or in *before*, and not the address itself.
fn receiver(
    records: &impl Records,
    before: LineageId,
    key: &str,
    targets: &[String],
) -> Result<Option<Address>, DirectoryError> {
    for target in targets.iter().filter_map(|t| Address::new(t).ok()).filter(|t| t.key() != key) {
        if records.account(&target)?.is_some() || records.lineage_account(before, target.key())?.is_some() {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

macro_rules! records {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $ok:ty;)*) => {
        /// The reads that facts need, of the directory as it is committed or as a transaction sees it.
        pub trait Records {$(
            #[doc = concat!("As [`Directory::", stringify!($name), "`].")]
            ///
            /// # Errors
            /// Those of the directory.
            fn $name(&self $(, $arg: $type)*) -> Result<$ok, DirectoryError>;
        )*}
        impl Records for Directory {$(
            fn $name(&self $(, $arg: $type)*) -> Result<$ok, DirectoryError> {
                Directory::$name(self $(, $arg)*)
            }
        )*}
        impl Records for Tx<'_> {$(
            fn $name(&self $(, $arg: $type)*) -> Result<$ok, DirectoryError> {
                Tx::$name(self $(, $arg)*)
            }
        )*}
    };
}

records! {
    fn account(&self, address: &Address) -> Option<Account>;
    fn forward(&self, id: directory::AccountId) -> Option<Forward>;
    fn scripts(&self, id: directory::AccountId) -> Vec<Script>;
    fn alias(&self, address: &AliasAddress) -> Option<Alias>;
    fn lineage_account(&self, lineage: LineageId, key: &str) -> Option<LineageAccount>;
    fn lineage_alias(&self, lineage: LineageId, key: &str) -> Option<LineageAlias>;
    fn lineage_scripts(&self, lineage: LineageId, key: &str) -> Vec<LineageScript>;
}
