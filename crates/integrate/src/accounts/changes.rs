//! Changes to the directory that are written down as they are made, so that they can be taken back (`RULES.md` G9).
//!
//! Taking back touches only what still is as the change left it: whatever people changed since stays, field by field.

use super::decide::{Notice, Settings};
use super::line::secret_text;
use directory::{
    Account, AccountId, AccountState, Alias, AliasAddress, CustomerId, DirectoryError, Domain, DomainAlias, Forward,
    NewAccount, Secret, Tx,
};
use message::Address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Changes in the order in which they were made. Their JSON may hold hashes and belongs into a [`Secret`].
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Changes(Vec<Change>);

/// One change: what stood there and what stands there now.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "changed", rename_all = "kebab-case")]
enum Change {
    /// A customer was added.
    Customer { name: String },
    /// A domain was added or changed.
    Domain { name: String, was: Option<DomainRecord>, now: DomainRecord },
    /// An alias was added, changed or removed.
    Alias { key: String, was: Option<AliasRecord>, now: Option<AliasRecord> },
    /// A domain alias was added, changed or removed.
    DomainAlias { from: String, was: Option<String>, now: Option<String> },
    /// An account was added.
    Added { id: i64 },
    /// An account took settings.
    Account { id: i64, was: AccountRecord, now: AccountRecord },
    /// A forward was set or removed.
    Forward { id: i64, was: Option<ForwardRecord>, now: Option<ForwardRecord> },
    /// A script was added.
    Script { id: i64, name: String, digest: String },
    /// Another script was made to run, or none.
    Active { id: i64, was: Option<String>, now: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DomainRecord {
    customer: Option<i64>,
    disabled: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AliasRecord {
    /// As it is spelt; `None`: a catch-all.
    address: Option<String>,
    targets: Vec<String>,
    enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AccountRecord {
    name: Option<String>,
    #[serde(with = "secret_text")]
    password_hash: Option<Secret>,
    state: String,
    quota_bytes: Option<u64>,
    quota_grace_until: Option<i64>,
    language: Option<String>,
    password_set_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ForwardRecord {
    targets: Vec<String>,
    keep_copy: bool,
}

/// Makes changes and writes them down.
pub(super) struct Recorder<'r, 'tx> {
    pub(super) tx: &'r mut Tx<'tx>,
    pub(super) changes: &'r mut Changes,
}

impl Recorder<'_, '_> {
    /// The customer of a name, added where there is none.
    pub(super) fn customer(&mut self, name: &str) -> Result<CustomerId, DirectoryError> {
        if let Some(customer) = self.tx.customer_by_name(name)? {
            return Ok(customer.id);
        }
        let id = self.tx.add_customer(name)?;
        self.changes.0.push(Change::Customer { name: name.to_owned() });
        Ok(id)
    }

    pub(super) fn add_domain(&mut self, domain: &Domain) -> Result<(), DirectoryError> {
        self.tx.add_domain(domain)?;
        let now = DomainRecord::of(domain);
        self.changes.0.push(Change::Domain { name: domain.name.clone(), was: None, now });
        Ok(())
    }

    pub(super) fn set_customer(&mut self, domain: &Domain, customer: CustomerId) -> Result<(), DirectoryError> {
        let was = Some(DomainRecord::of(domain));
        let domain = Domain { customer_id: Some(customer), ..domain.clone() };
        self.tx.update_domain(&domain)?;
        let now = DomainRecord::of(&domain);
        self.changes.0.push(Change::Domain { name: domain.name, was, now });
        Ok(())
    }

    /// Puts an alias in force, or takes it out.
    pub(super) fn set_alias(&mut self, address: &AliasAddress, alias: Option<&Alias>) -> Result<(), DirectoryError> {
        let was = self.tx.alias(address)?;
        if was.as_ref() == alias {
            return Ok(());
        }
        put_or_remove_alias(self.tx, address, alias)?;
        let (was, now) = (was.as_ref().map(AliasRecord::of), alias.map(AliasRecord::of));
        self.changes.0.push(Change::Alias { key: address.key(), was, now });
        Ok(())
    }

    /// Puts a domain alias in force, or takes it out; the domain stays.
    pub(super) fn set_domain_alias(&mut self, from: &str, to: Option<&str>) -> Result<(), DirectoryError> {
        let was = self.tx.domain_alias(from)?.map(|a| a.to);
        if was.as_deref() == to {
            return Ok(());
        }
        put_or_remove_domain_alias(self.tx, from, to)?;
        self.changes.0.push(Change::DomainAlias { from: from.to_owned(), was, now: to.map(str::to_owned) });
        Ok(())
    }

    pub(super) fn add_account(&mut self, account: &NewAccount) -> Result<AccountId, DirectoryError> {
        let id = self.tx.add_account(account)?;
        self.changes.0.push(Change::Added { id: id.get() });
        Ok(id)
    }

    pub(super) fn change_account(&mut self, account: &Account, settings: &Settings) -> Result<(), DirectoryError> {
        let mut changed = account.clone();
        if let Some(hash) = &settings.password_hash {
            changed.password_hash = Some(hash.clone());
            // When it was set, nothing says.
            changed.password_set_at = None;
        }
        changed.state = settings.state.unwrap_or(account.state);
        changed.name = settings.name.clone().or(changed.name);
        changed.quota_bytes = settings.quota_bytes.or(changed.quota_bytes);
        changed.language = settings.language.clone().or(changed.language);
        self.update(account, &changed)
    }

    pub(super) fn set_state(&mut self, account: &Account, state: AccountState) -> Result<(), DirectoryError> {
        self.update(account, &Account { state, ..account.clone() })
    }

    pub(super) fn set_grace(&mut self, account: &Account, until: Option<i64>) -> Result<(), DirectoryError> {
        self.update(account, &Account { quota_grace_until: until, ..account.clone() })
    }

    fn update(&mut self, was: &Account, now: &Account) -> Result<(), DirectoryError> {
        if was == now {
            return Ok(());
        }
        self.tx.update_account(now)?;
        let id = now.id.get();
        self.changes.0.push(Change::Account { id, was: AccountRecord::of(was), now: AccountRecord::of(now) });
        Ok(())
    }

    pub(super) fn set_forward(&mut self, id: AccountId, forward: Option<&Forward>) -> Result<(), DirectoryError> {
        let was = self.tx.forward(id)?;
        if was.as_ref() == forward {
            return Ok(());
        }
        put_or_remove_forward(self.tx, id, forward)?;
        let (was, now) = (was.as_ref().map(ForwardRecord::of), forward.map(ForwardRecord::of));
        self.changes.0.push(Change::Forward { id: id.get(), was, now });
        Ok(())
    }

    /// Adds a script that does not run. There is none of its name.
    pub(super) fn add_script(&mut self, id: AccountId, name: &str, content: &[u8]) -> Result<(), DirectoryError> {
        self.tx.put_script(id, name, content)?;
        self.changes.0.push(Change::Script { id: id.get(), name: name.to_owned(), digest: digest(content) });
        Ok(())
    }

    pub(super) fn activate_script(&mut self, id: AccountId, name: Option<&str>) -> Result<(), DirectoryError> {
        let was = self.tx.active_script(id)?.map(|s| s.name);
        if was.as_deref() == name {
            return Ok(());
        }
        self.tx.activate_script(id, name)?;
        self.changes.0.push(Change::Active { id: id.get(), was, now: name.map(str::to_owned) });
        Ok(())
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an account was added, and not merely changed.
    pub(super) fn added_account(&self) -> bool {
        self.0.iter().any(|c| matches!(c, Change::Added { .. }))
    }

    /// Takes out those that concern the aliases of which `is_chosen` holds, by key.
    pub(super) fn split_aliases(&mut self, is_chosen: impl Fn(&str) -> bool) -> Changes {
        let of_chosen = |c: &Change| match c {
            Change::Alias { key, .. } => is_chosen(key),
            Change::DomainAlias { from, .. } => is_chosen(&format!("@{from}")),
            _ => false,
        };
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(of_chosen);
        self.0 = left;
        Changes(taken)
    }

    /// Takes everything back, the last first, and lists what stays because people changed it since. An account that was
    /// added goes only where nothing of its mailboxes is left.
    pub(super) fn take_back(
        self,
        tx: &mut Tx<'_>,
        mail_is_gone: &dyn Fn(&Address) -> bool,
    ) -> Result<Vec<Notice>, DirectoryError> {
        let mut kept = Vec::new();
        let mut list = |text| kept.push(Notice { rule: "G9".to_owned(), text });
        let mut staying = BTreeSet::new();
        for id in self.0.iter().filter_map(|c| if let Change::Added { id } = c { Some(*id) } else { None }) {
            if let Some(account) = tx.account_by_id(AccountId::new_unchecked(id))?
                && !mail_is_gone(&account.address)
            {
                // With its forward and its scripts: mail still arrives.
                staying.insert(id);
                list(format!("the account {} stays: it holds mail that arrived since", account.address));
            }
        }
        for change in self.0.into_iter().rev() {
            if change.account().is_some_and(|id| staying.contains(&id)) {
                continue;
            }
            if let Some(text) = change.take_back(tx)? {
                list(text);
            }
        }
        Ok(kept)
    }
}

impl Change {
    /// The account that it is about.
    fn account(&self) -> Option<i64> {
        match self {
            Change::Added { id }
            | Change::Account { id, .. }
            | Change::Forward { id, .. }
            | Change::Script { id, .. }
            | Change::Active { id, .. } => Some(*id),
            Change::Customer { .. } | Change::Domain { .. } | Change::Alias { .. } | Change::DomainAlias { .. } => None,
        }
    }

    /// Takes it back; yields what stays, in words, where that is not how it was.
    fn take_back(self, tx: &mut Tx<'_>) -> Result<Option<String>, DirectoryError> {
        match self {
            Change::Customer { name } => match tx.customer_by_name(&name)? {
                Some(customer) => unless_in_use(tx.remove_customer(customer.id), || {
                    format!("the customer {name} stays: domains are left")
                }),
                None => Ok(None),
            },
            Change::Domain { name, was, now } => take_back_domain(tx, &name, was.as_ref(), &now),
            Change::Alias { key, was, now } => {
                let Some(address) = alias_address(&key, was.as_ref().or(now.as_ref())) else { return Ok(None) };
                let there = tx.alias(&address)?;
                if there.as_ref().map(AliasRecord::of) != now {
                    return Ok(Some(format!("the alias {key} stays: it was changed since")));
                }
                let was = was.map(|w| Alias { address: address.clone(), targets: w.targets, enabled: w.enabled });
                put_or_remove_alias(tx, &address, was.as_ref())?;
                Ok(None)
            }
            Change::DomainAlias { from, was, now } => {
                if tx.domain_alias(&from)?.map(|a| a.to) != now {
                    return Ok(Some(format!("the domain alias {from} stays: it was changed since")));
                }
                put_or_remove_domain_alias(tx, &from, was.as_deref())?;
                Ok(None)
            }
            Change::Added { id } => {
                let Some(account) = tx.account_by_id(AccountId::new_unchecked(id))? else { return Ok(None) };
                unless_in_use(tx.remove_account(account.id), || {
                    format!("the account {} stays: a domain admin signs in with it", account.address)
                })
            }
            Change::Account { id, was, now } => {
                let Some(account) = tx.account_by_id(AccountId::new_unchecked(id))? else { return Ok(None) };
                take_back_settings(tx, account, &was, &now)
            }
            Change::Forward { id, was, now } => {
                let id = AccountId::new_unchecked(id);
                let Some(account) = tx.account_by_id(id)? else { return Ok(None) };
                if tx.forward(id)?.as_ref().map(ForwardRecord::of) != now {
                    return Ok(Some(format!("the forward of {} stays: it was changed since", account.address)));
                }
                let was = was.map(|w| Forward { targets: w.targets, keep_copy: w.keep_copy });
                put_or_remove_forward(tx, id, was.as_ref())?;
                Ok(None)
            }
            Change::Script { id, name, digest: now } => {
                let id = AccountId::new_unchecked(id);
                match tx.script(id, &name)? {
                    Some(script) if script.active || digest(&script.content) != now => {
                        Ok(Some(format!("the script {name:?} stays: it was changed or switched on since")))
                    }
                    Some(_) => tx.remove_script(id, &name).map(|()| None),
                    None => Ok(None),
                }
            }
            Change::Active { id, was, now } => {
                let id = AccountId::new_unchecked(id);
                let runs = tx.active_script(id)?.map(|s| s.name);
                let there = match &was {
                    Some(name) => tx.script(id, name)?.is_some(),
                    None => tx.account_by_id(id)?.is_some(),
                };
                if runs != now || !there {
                    return Ok(runs.map(|name| format!("the script {name:?} runs on: another was chosen since")));
                }
                tx.activate_script(id, was.as_deref()).map(|()| None)
            }
        }
    }
}

fn take_back_domain(
    tx: &mut Tx<'_>,
    name: &str,
    was: Option<&DomainRecord>,
    now: &DomainRecord,
) -> Result<Option<String>, DirectoryError> {
    let Some(mut domain) = tx.domain(name)? else { return Ok(None) };
    let Some(was) = was else {
        return unless_in_use(tx.remove_domain(name), || format!("the domain {name} stays: something is in it"));
    };
    let there = DomainRecord::of(&domain);
    if there.customer == now.customer {
        domain.customer_id = was.customer.map(CustomerId::new_unchecked);
    }
    if there.disabled == now.disabled {
        domain.disabled = was.disabled;
    }
    tx.update_domain(&domain)?;
    Ok((there != *now).then(|| format!("the domain {name} was changed since: that stays")))
}

/// Takes back those settings of an account that still are as they were left. A password that was set since stays, and
/// with it that the account is open; a stronger hash of the same password is no new one.
fn take_back_settings(
    tx: &mut Tx<'_>,
    mut account: Account,
    was: &AccountRecord,
    now: &AccountRecord,
) -> Result<Option<String>, DirectoryError> {
    let there = AccountRecord::of(&account);
    let password_was_set = there.password_set_at != now.password_set_at;
    let was_state = was.state.parse::<AccountState>().unwrap_or(account.state);
    if was.password_hash != now.password_hash && !password_was_set {
        account.password_hash = was.password_hash.clone();
        account.password_set_at = was.password_set_at;
    }
    if there.state == now.state && !(password_was_set && was_state == AccountState::Locked) {
        account.state = was_state;
    }
    if there.name == now.name {
        account.name = was.name.clone();
    }
    if there.quota_bytes == now.quota_bytes {
        account.quota_bytes = was.quota_bytes;
    }
    if there.quota_grace_until == now.quota_grace_until {
        account.quota_grace_until = was.quota_grace_until;
    }
    if there.language == now.language {
        account.language = was.language.clone();
    }
    tx.update_account(&account)?;
    Ok(password_was_set.then(|| format!("the password of {} stays: it was set since", account.address)))
}

fn unless_in_use(
    result: Result<(), DirectoryError>,
    text: impl FnOnce() -> String,
) -> Result<Option<String>, DirectoryError> {
    match result {
        Ok(()) => Ok(None),
        Err(DirectoryError::InUse { .. }) => Ok(Some(text())),
        Err(error) => Err(error),
    }
}

fn alias_address(key: &str, record: Option<&AliasRecord>) -> Option<AliasAddress> {
    match key.strip_prefix('@') {
        Some(domain) => Some(AliasAddress::CatchAll(domain.to_owned())),
        None => Address::new(record?.address.as_deref()?).ok().map(AliasAddress::Exact),
    }
}

fn put_or_remove_alias(tx: &mut Tx<'_>, address: &AliasAddress, alias: Option<&Alias>) -> Result<(), DirectoryError> {
    match alias {
        Some(alias) => tx.put_alias(alias),
        None => tx.remove_alias(address),
    }
}

fn put_or_remove_domain_alias(tx: &mut Tx<'_>, from: &str, to: Option<&str>) -> Result<(), DirectoryError> {
    match to {
        Some(to) => tx.put_domain_alias(&DomainAlias { from: from.to_owned(), to: to.to_owned() }),
        None => tx.remove_domain_alias(from),
    }
}

fn put_or_remove_forward(tx: &mut Tx<'_>, id: AccountId, forward: Option<&Forward>) -> Result<(), DirectoryError> {
    match forward {
        Some(forward) => tx.put_forward(id, forward),
        None => tx.remove_forward(id).map(|_| ()),
    }
}

fn digest(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

impl DomainRecord {
    fn of(domain: &Domain) -> Self {
        DomainRecord { customer: domain.customer_id.map(CustomerId::get), disabled: domain.disabled }
    }
}

impl AliasRecord {
    fn of(alias: &Alias) -> Self {
        let address = match &alias.address {
            AliasAddress::Exact(address) => Some(address.as_str().to_owned()),
            AliasAddress::CatchAll(_) => None,
        };
        AliasRecord { address, targets: alias.targets.clone(), enabled: alias.enabled }
    }
}

impl AccountRecord {
    fn of(account: &Account) -> Self {
        AccountRecord {
            name: account.name.clone(),
            password_hash: account.password_hash.clone(),
            state: account.state.as_str().to_owned(),
            quota_bytes: account.quota_bytes,
            quota_grace_until: account.quota_grace_until,
            language: account.language.clone(),
            password_set_at: account.password_set_at,
        }
    }
}

impl ForwardRecord {
    fn of(forward: &Forward) -> Self {
        ForwardRecord { targets: forward.targets.clone(), keep_copy: forward.keep_copy }
    }
}
