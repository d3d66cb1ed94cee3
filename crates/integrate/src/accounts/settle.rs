//! Settling: a decision goes into the directory, with all that takes it back, and an account's part of an integration
//! is taken back (`RULES.md` G9).

use super::changes::{Changes, Recorder};
use super::conflict::{self, Kind};
use super::decide::{AccountStep, Case, Decision, MailStep, Notice, PasswordOrigin};
use super::line::address_text;
use super::shared;
use directory::{AccountApply, DirectoryError, IntegrationId, Lineage, LineageId, LineageRole, NewAccount, Secret, Tx};
use message::Address;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Who the audit log says did it.
pub(super) const ACTOR: &str = "integrate";
/// How long mail is delivered to an account over its quota (`RULES.md 7.5`).
const GRACE_S: i64 = 30 * 24 * 60 * 60;
/// [`AccountApply::state`]: settled.
const APPLIED: &str = "applied";
/// [`AccountApply::state`]: taken back.
const UNDONE: &str = "undone";

/// The conflicts that an account's own decision finds.
const OF_ACCOUNTS: [Kind; 5] =
    [Kind::AccountAlias, Kind::AliasAccount, Kind::Forwarding, Kind::TwoPeople, Kind::Script];

/// What settling an account came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Whether it had been settled before, and nothing was done now.
    pub already: bool,
    /// What stands in the account's row.
    pub detail: AccountDetail,
}

/// What taking an account's part back came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// Whether there was nothing to take back.
    pub already: bool,
    /// What stays because people changed it since.
    pub kept: Vec<Notice>,
}

/// What an integration did to an account, for the report: [`AccountApply::detail`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountDetail {
    /// Whose, as it is spelt.
    #[serde(with = "address_text")]
    pub address: Address,
    /// Where it was found.
    pub case: Case,
    /// What was to become of its mail of *before*.
    pub mail: MailStep,
    /// Whether the account was made.
    pub created: bool,
    /// Whether its owner may sign in: a word of [`directory::AccountState`].
    pub state: String,
    /// Which password opens it.
    pub password: PasswordOrigin,
    /// Where it is over its quota (`RULES.md 7.5`).
    pub over_quota: Option<OverQuota>,
    /// For the report.
    pub notices: Vec<Notice>,
    /// The conflicts that were found.
    pub conflicts: Vec<i64>,
    /// What others have written beside it; it is kept.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// That an account is over its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverQuota {
    /// What its mail takes, in bytes.
    pub used_bytes: u64,
    /// Its quota, in bytes.
    pub quota_bytes: u64,
    /// Until when mail is delivered all the same, in seconds since 1970 UTC.
    pub grace_until: i64,
}

impl AccountDetail {
    /// Reads a row of an account; those of domains, whose keys begin with `@`, are [`super::SharedDetail`]s.
    ///
    /// # Errors
    /// When the row is not one that settling wrote.
    pub fn of(row: &AccountApply) -> Result<Self, DirectoryError> {
        serde_json::from_str(&row.detail).map_err(|_| broken(&row.account_key))
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("what was done to an account is JSON")
    }
}

/// Does what was decided about an account and writes down how to take it back. Done already, it does nothing.
///
/// # Errors
/// Those of the directory; also when the decision is about another state of the account than it is in.
pub fn settle_account(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    decision: &Decision,
) -> Result<Settled, DirectoryError> {
    let (key, address) = (decision.address.key(), decision.address.as_str());
    let row = tx.account_apply(integration, key)?.filter(|r| r.state == APPLIED);
    if let Some(row) = row {
        return Ok(Settled { already: true, detail: AccountDetail::of(&row)? });
    }
    let mut changes = Changes::default();
    carry_out(&mut Recorder { tx, changes: &mut changes }, integration, decision)?;
    let conflicts = put_conflicts(tx, integration, decision)?;
    let account = tx.account(&decision.address)?;
    let detail = AccountDetail {
        address: decision.address.clone(),
        case: decision.case,
        mail: decision.mail,
        created: changes.added_account(),
        state: account.map_or_else(String::new, |a| a.state.as_str().to_owned()),
        password: decision.password,
        over_quota: None,
        notices: decision.notices.clone(),
        conflicts,
        more: Map::new(),
    };
    if !changes.is_empty() || !detail.conflicts.is_empty() {
        let action = if detail.created { "account.restore" } else { "account.integrate" };
        let told = json!({
            "integration": integration.get(), "case": detail.case, "mail": detail.mail, "password": detail.password,
            "conflicts": detail.conflicts,
        });
        tx.audit(ACTOR, action, address, &told.to_string())?;
    }
    put(tx, integration, key, APPLIED, Some(&changes), &detail)?;
    Ok(Settled { already: false, detail })
}

/// Does what was decided about the account, its forward and its scripts.
pub(super) fn carry_out(
    recorder: &mut Recorder<'_, '_>,
    integration: IntegrationId,
    decision: &Decision,
) -> Result<(), DirectoryError> {
    let id = match &decision.account {
        AccountStep::Create(account) => {
            shared::restore_domain(recorder.tx, integration, account.address.domain())?;
            recorder.add_account(&NewAccount { restored: Some(integration), ..account.clone() })?
        }
        step => {
            let Some(account) = recorder.tx.account(&decision.address)? else {
                // An address that is an account nowhere, or one that went since it was decided about.
                return match step {
                    AccountStep::Keep => Ok(()),
                    _ => Err(DirectoryError::Missing { what: "account", key: decision.address.to_string() }),
                };
            };
            if let AccountStep::Change(settings) = step {
                recorder.change_account(&account, settings)?;
            }
            account.id
        }
    };
    if let Some(forward) = &decision.forward {
        recorder.set_forward(id, Some(forward))?;
    }
    for script in &decision.scripts {
        recorder.add_script(id, &script.name, &script.content)?;
    }
    if let Some(name) = &decision.activate_script {
        recorder.activate_script(id, Some(name))?;
    }
    Ok(())
}

/// Gives an account whose mail is over its quota a time of grace, and lists it (`RULES.md 7.5`). To be called after it
/// was settled; called again, it changes nothing.
///
/// # Errors
/// Those of the directory; also when the account was not settled, or the integration is confirmed.
pub fn quota_after(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    address: &Address,
    used_bytes: u64,
) -> Result<Option<OverQuota>, DirectoryError> {
    let key = address.key();
    let row = tx.account_apply(integration, key)?.filter(|r| r.state == APPLIED);
    let row = row.ok_or_else(|| DirectoryError::Missing { what: "applied account", key: key.to_owned() })?;
    let mut detail = AccountDetail::of(&row)?;
    let Some(account) = tx.account(address)?.filter(|_| detail.over_quota.is_none()) else {
        return Ok(detail.over_quota);
    };
    let Some(quota_bytes) = account.quota_bytes.filter(|q| used_bytes > *q) else { return Ok(None) };
    let grace_until = account.quota_grace_until.unwrap_or(i64::MIN).max(tx.now().saturating_add(GRACE_S));
    let over = OverQuota { used_bytes, quota_bytes, grace_until };
    let mut changes = read_changes(&row)?;
    Recorder { tx, changes: &mut changes }.set_grace(&account, Some(grace_until))?;
    let text = format!("its mail takes {used_bytes} bytes of {quota_bytes}: delivery goes on for 30 days");
    detail.notices.push(Notice { rule: "7.5".to_owned(), text });
    detail.over_quota = Some(over);
    tx.audit(ACTOR, "account.quota-grace", address.as_str(), &json!(over).to_string())?;
    put(tx, integration, key, APPLIED, Some(&changes), &detail)?;
    Ok(Some(over))
}

/// Takes back what was done to an account, and what was decided in its conflicts; what people changed since stays.
/// `mail_is_gone` says of an account that was made whether its mailboxes are gone too: else it stays.
///
/// # Errors
/// Those of the directory; also when the integration is confirmed.
pub fn undo_account(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    key: &str,
    mail_is_gone: &dyn Fn(&Address) -> bool,
) -> Result<Undone, DirectoryError> {
    let Some(row) = tx.account_apply(integration, key)?.filter(|r| r.state == APPLIED) else {
        return Ok(Undone { already: true, kept: Vec::new() });
    };
    let mut detail = AccountDetail::of(&row)?;
    let changes = read_changes(&row)?;
    let places = OF_ACCOUNTS.map(|kind| (kind, detail.address.domain(), key));
    let mut kept = forget_conflicts(tx, integration, &places, mail_is_gone)?;
    kept.extend(changes.take_back(tx, mail_is_gone)?);
    kept.dedup();
    let told = json!({ "integration": integration.get(), "kept": kept });
    tx.audit(ACTOR, "account.undo", detail.address.as_str(), &told.to_string())?;
    detail.notices = kept.clone();
    detail.conflicts.clear();
    detail.over_quota = None;
    put(tx, integration, key, UNDONE, None, &detail)?;
    Ok(Undone { already: false, kept })
}

/// The lineage that an integration brings in: *before*, or an import's only one.
pub(super) fn before_of(tx: &Tx<'_>, integration: IntegrationId) -> Result<Option<LineageId>, DirectoryError> {
    let brings = |l: &Lineage| matches!(l.role, LineageRole::Before | LineageRole::Import);
    Ok(tx.lineages_of(integration)?.into_iter().find(brings).map(|l| l.id))
}

/// The keys of the accounts that an integration made.
pub(super) fn created(tx: &Tx<'_>, integration: IntegrationId) -> Result<BTreeSet<String>, DirectoryError> {
    let mut keys = BTreeSet::new();
    tx.for_each_account_apply(integration, Some(APPLIED), |row| {
        if AccountDetail::of(&row)?.created {
            keys.insert(row.account_key);
        }
        Ok(())
    })?;
    Ok(keys)
}

/// Writes down that what was sealed has joined after all, and what that found.
pub(super) fn note_joined(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    decision: &Decision,
) -> Result<(), DirectoryError> {
    let conflicts = put_conflicts(tx, integration, decision)?;
    let Some(mut row) = tx.account_apply(integration, decision.address.key())? else { return Ok(()) };
    let mut detail = AccountDetail::of(&row)?;
    (detail.mail, detail.password) = (MailStep::Join, decision.password);
    detail.notices = decision.notices.clone();
    detail.conflicts.extend(conflicts);
    row.detail = detail.to_json();
    tx.put_account_apply(&row)
}

fn put_conflicts(tx: &mut Tx<'_>, integration: IntegrationId, decision: &Decision) -> Result<Vec<i64>, DirectoryError> {
    decision.conflicts.iter().map(|found| Ok(tx.put_conflict(&found.clone().of(integration))?.get())).collect()
}

/// Takes back what was decided in conflicts, the latest decision first, and removes them. They are named by kind,
/// domain and address.
pub(super) fn forget_conflicts(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    places: &[(Kind, &str, &str)],
    mail_is_gone: &dyn Fn(&Address) -> bool,
) -> Result<Vec<Notice>, DirectoryError> {
    let mut conflicts = Vec::new();
    for (kind, domain, address) in places {
        conflicts.extend(tx.find_conflict(integration, kind.as_str(), domain, address)?);
    }
    conflicts.sort_by_key(|c| std::cmp::Reverse((c.decision.as_ref().map(|d| d.decided_at), c.number)));
    let mut kept = Vec::new();
    for conflict in conflicts {
        kept.extend(conflict::take_back(tx, &conflict, mail_is_gone)?);
        tx.remove_conflict(conflict.number)?;
    }
    Ok(kept)
}

fn put(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    key: &str,
    state: &str,
    undo: Option<&Changes>,
    detail: &AccountDetail,
) -> Result<(), DirectoryError> {
    tx.put_account_apply(&AccountApply {
        integration,
        account_key: key.to_owned(),
        state: state.to_owned(),
        undo: undo.map(|u| Secret::new(serde_json::to_string(u).expect("what takes an account back is JSON"))),
        detail: detail.to_json(),
    })
}

fn read_changes(row: &AccountApply) -> Result<Changes, DirectoryError> {
    let key = &row.account_key;
    let undo = row.undo.as_ref().ok_or_else(|| confirmed(key))?;
    serde_json::from_str(undo.expose()).map_err(|_| broken(key))
}

pub(super) fn broken(key: &str) -> DirectoryError {
    let reason = "its row is not one that settling wrote";
    DirectoryError::Invalid { what: "applied account", key: key.to_owned(), reason }
}

pub(super) fn confirmed(key: &str) -> DirectoryError {
    let reason = "its integration is confirmed, so it cannot be taken back";
    DirectoryError::Invalid { what: "applied account", key: key.to_owned(), reason }
}
