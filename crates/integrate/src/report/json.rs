//! The JSON of a report: the data, and beside it what is computed from them. Every member is always there, `null` where
//! there is nothing to say, so that a reader needs to know one shape only.

use super::model::{
    AccountReport, Case, Conflict, DamageEntry, DomainReport, Integration, LedgerFacts, MailboxReport, Notice, Pair,
    PasswordOrigin, Report, Totals,
};
use super::sentence::{Language, sentence};
use super::verdict::{AddingUp, Grade, Verdict};
use serde::{Serialize, Serializer};

/// The version of the format.
const FORMAT_VERSION: u32 = 1;

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ReportJson {
            reintegra_report: FORMAT_VERSION,
            domain: self.domain.as_deref(),
            integration: &self.integration,
            verdict: &self.verdict,
            totals: &self.totals,
            adding_up: self.totals.adding_up(),
            domains: &self.domains,
            conflicts: &self.conflicts,
            damage: &self.damage,
            same_message_id: &self.same_message_id,
            near_twins: &self.near_twins,
            notices: &self.notices,
            ledger: self.ledger.as_ref(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct ReportJson<'r> {
    reintegra_report: u32,
    domain: Option<&'r str>,
    integration: &'r Integration,
    verdict: &'r Verdict,
    totals: &'r Totals,
    adding_up: AddingUp,
    domains: &'r [DomainReport],
    conflicts: &'r [Conflict],
    damage: &'r [DamageEntry],
    same_message_id: &'r [Pair],
    near_twins: &'r [Pair],
    notices: &'r [Notice],
    ledger: Option<&'r LedgerFacts>,
}

impl Serialize for DomainReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DomainJson {
            name: &self.name,
            grade: self.grade,
            totals: &self.totals,
            adding_up: self.totals.adding_up(),
            accounts: &self.accounts,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct DomainJson<'r> {
    name: &'r str,
    grade: Grade,
    totals: &'r Totals,
    adding_up: AddingUp,
    accounts: &'r [AccountReport],
}

impl Serialize for AccountReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AccountJson {
            address: &self.address,
            case: self.case,
            what_happened: WhatHappened {
                es: sentence(self, Language::Spanish),
                en: sentence(self, Language::English),
            },
            totals: &self.totals,
            adding_up: self.totals.adding_up(),
            mailboxes: &self.mailboxes,
            password: self.password,
            over_quota: self.over_quota,
            open_decisions: self.open_decisions,
            notices: &self.notices,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct AccountJson<'r> {
    address: &'r str,
    case: Case,
    what_happened: WhatHappened,
    totals: &'r Totals,
    adding_up: AddingUp,
    mailboxes: &'r [MailboxReport],
    password: PasswordOrigin,
    over_quota: bool,
    open_decisions: u64,
    notices: &'r [Notice],
}

#[derive(Serialize)]
struct WhatHappened {
    es: String,
    en: String,
}
