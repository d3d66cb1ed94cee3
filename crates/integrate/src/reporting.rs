//! The report of an integration, put together from its proof, the directory and its ledger.

use crate::accounts::{self, AccountDetail, Evidence, SharedDetail, Side};
use crate::integration::{IntegrationError, Lineages, Step, io};
use crate::ledger::{self, Format, LineageRole, PublicKey};
use crate::platform::Platform;
use crate::report::{self, AccountReport, Case, DomainReport, Grade, NoticeKind, PasswordOrigin, Report, Verdict};
use crate::verify::{AccountProof, ProofFiles, ledger_file};
use directory::{ConflictState, DirectoryError, IntegrationId};
use message::Address;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt as _;

/// Findings of staging that the report lists one by one; the rest are counted.
const MAX_NOTICES: usize = 500;
/// How often a report is begun anew because its files became others.
const ATTEMPTS: usize = 3;

/// Puts the report of an integration together. It says what the last verify of all accounts found.
///
/// # Errors
/// [`IntegrationError::Order`] when there is no proof yet; those of the directory and the files.
pub fn build_report(platform: &Platform, id: IntegrationId) -> Result<Report, IntegrationError> {
    let files = ProofFiles::of(platform, id);
    for _ in 0..ATTEMPTS {
        let found = stamps(&files);
        let report = report_of(platform, id, &files);
        if stamps(&files) == found {
            return report;
        }
    }
    Err(IntegrationError::Order(format!("integration {} is being verified: run the command again", id.get())))
}

/// Which files the ledger and the proof are: another process may put those of a new verify in their place.
fn stamps(files: &ProofFiles) -> [Option<(u64, i64, i64)>; 2] {
    [files.ledger(), files.proof()].map(|path| {
        let of = |m: std::fs::Metadata| (m.ino(), m.mtime(), m.mtime_nsec());
        std::fs::metadata(path).ok().map(of)
    })
}

fn report_of(platform: &Platform, id: IntegrationId, files: &ProofFiles) -> Result<Report, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    let checked = ledger::check(ledger_file(platform, id)?, None)
        .map_err(|problem| IntegrationError::Order(format!("the ledger is not whole: {problem}; verify again")))?;
    let mut report = Report {
        domain: None,
        integration: integration(platform, &lineages, files)?,
        verdict: Verdict { word: report::VerdictWord::Incomplete, reasons: Vec::new() },
        totals: report::Totals::default(),
        domains: Vec::new(),
        conflicts: conflicts(platform, id)?,
        damage: Vec::new(),
        same_message_id: Vec::new(),
        near_twins: Vec::new(),
        notices: notices(platform, &lineages)?,
        ledger: Some((&checked).into()),
    };
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    let mut open_of_domain: BTreeMap<String, u64> = BTreeMap::new();
    for conflict in report.conflicts.iter().filter(|c| c.state == report::ConflictState::Open) {
        *open.entry(conflict.address.clone()).or_default() += 1;
        // Who owns a domain is the operator's to decide, and asks nothing of its admin.
        if conflict.kind != report::ConflictKind::DomainOwner {
            *open_of_domain.entry(conflict.domain.clone()).or_default() += 1;
        }
    }
    let mut domains: BTreeMap<String, DomainReport> = BTreeMap::new();
    let path = files.proof();
    for line in BufReader::new(File::open(&path).map_err(io(&path))?).lines() {
        let line = line.map_err(io(&path))?;
        let proof: AccountProof = serde_json::from_str(&line)
            .map_err(|e| IntegrationError::Order(format!("{} is damaged ({e}): verify again", path.display())))?;
        report.totals += proof.totals;
        report.damage.extend(proof.damage);
        report.same_message_id.extend(proof.same_message_id);
        report.near_twins.extend(proof.near_twins);
        let (Some(account), Some(address)) = (proof.report, proof.address.and_then(|a| Address::new(&a).ok())) else {
            continue;
        };
        let waiting = open.get(address.key()).copied().unwrap_or(0);
        let account = complete(platform, id, &address, account, waiting)?;
        let domain = domains.entry(address.domain().to_owned()).or_insert_with(|| DomainReport {
            name: address.domain().to_owned(),
            grade: Grade::Perfect,
            totals: report::Totals::default(),
            accounts: Vec::new(),
        });
        domain.totals += account.totals;
        domain.accounts.push(account);
    }
    for domain in domains.values_mut() {
        let waiting = open_of_domain.get(&domain.name).copied().unwrap_or(0);
        domain.grade = Grade::judge(&domain.totals, waiting);
    }
    report.domains = domains.into_values().collect();
    report.verdict = Verdict::judge(&report.totals, true);
    Ok(report)
}

/// Writes an integration's ledger as it was signed.
///
/// # Errors
/// [`IntegrationError::Order`] when there is none yet; those of the files.
pub fn write_ledger(
    platform: &Platform,
    id: IntegrationId,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), IntegrationError> {
    let file = ledger_file(platform, id)?;
    ledger::convert(file, format, out)
        .map(|_| ())
        .map_err(|e| IntegrationError::Order(format!("the ledger cannot be exported: {e}")))
}

/// The public key that the platform signs ledgers with; `None` before the first ledger.
///
/// # Errors
/// When its file cannot be read.
pub fn public_key(platform: &Platform) -> Result<Option<PublicKey>, IntegrationError> {
    let path = platform.key_dir().join("ledger.pub");
    if path.exists() { Ok(Some(PublicKey::load(&path)?)) } else { Ok(None) }
}

fn integration(
    platform: &Platform,
    lineages: &Lineages,
    files: &ProofFiles,
) -> Result<report::Integration, IntegrationError> {
    let mut sources = Vec::new();
    for lineage in platform.directory.lineages_of(lineages.row.id)? {
        let role = match lineage.role {
            directory::LineageRole::Before => LineageRole::Before,
            directory::LineageRole::Base => LineageRole::Base,
            directory::LineageRole::After | directory::LineageRole::Import => LineageRole::After,
        };
        sources.push(report::ReportSource { lineage: role, description: lineage.source });
    }
    let path = files.ledger();
    let written = std::fs::metadata(&path).and_then(|m| m.modified()).map_err(io(&path))?;
    let verified = written.duration_since(std::time::UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_secs()).ok());
    Ok(report::Integration {
        id: lineages.row.id.get(),
        label: lineages.row.label.clone(),
        state: match lineages.step {
            Step::Staging => report::State::Staging,
            Step::Staged => report::State::Staged,
            Step::Applying => report::State::Applying,
            Step::Applied | Step::Imported => report::State::Verified,
            Step::Undone => report::State::Undone,
            Step::Confirmed => report::State::Confirmed,
        },
        tool_version: concat!("reintegra ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: lineages.row.created_at,
        applied: None,
        verified,
        before_until: None,
        after_from: None,
        time_zone: None,
        sources,
        policy: serde_json::to_value(&lineages.policies.plan).unwrap_or_default(),
    })
}

/// Adds what the directory knows of an account.
fn complete(
    platform: &Platform,
    id: IntegrationId,
    address: &Address,
    mut account: AccountReport,
    waiting: u64,
) -> Result<AccountReport, IntegrationError> {
    account.open_decisions = waiting;
    let Some(row) = platform.directory.account_apply(id, address.key())? else {
        account.case = Case::AfterOnly;
        return Ok(account);
    };
    let detail = AccountDetail::of(&row)?;
    account.case = match detail.case {
        accounts::Case::Both => Case::Both,
        accounts::Case::BeforeOnly => Case::BeforeOnly,
        accounts::Case::AfterOnly => Case::AfterOnly,
        accounts::Case::MaildropWithoutAccount => Case::MaildropWithoutAccount,
        accounts::Case::AccountWithoutMaildrop => Case::AccountWithoutMaildrop,
    };
    account.password = match detail.password {
        accounts::PasswordOrigin::After => PasswordOrigin::After,
        accounts::PasswordOrigin::Before => PasswordOrigin::Before,
        accounts::PasswordOrigin::None => PasswordOrigin::None,
    };
    account.over_quota = detail.over_quota.is_some();
    let other = |rule: &str, text: &str| report::Notice {
        kind: NoticeKind::Other,
        rule: rule.to_owned(),
        count: None,
        detail: Some(text.to_owned()),
    };
    account.notices.extend(detail.notices.iter().map(|n| other(&n.rule, &n.text)));
    Ok(account)
}

fn notices(platform: &Platform, lineages: &Lineages) -> Result<Vec<report::Notice>, IntegrationError> {
    let (mut notices, mut more) = (Vec::new(), 0u64);
    let all = [Some(lineages.before), lineages.base].into_iter().flatten();
    for lineage in all {
        platform.directory.for_each_lineage_notice(lineage, |n| {
            if notices.len() < MAX_NOTICES {
                let detail = Some(format!("{}: {}", n.place, n.text));
                notices.push(report::Notice { kind: NoticeKind::Other, rule: n.rule, count: None, detail });
            } else {
                more += 1;
            }
            Ok(())
        })?;
    }
    platform.directory.for_each_account_apply(lineages.row.id, Some("shared"), |row| {
        for notice in SharedDetail::of(&row)?.notices {
            let detail = Some(format!("{}: {}", row.account_key, notice.text));
            notices.push(report::Notice { kind: NoticeKind::Other, rule: notice.rule, count: None, detail });
        }
        Ok(())
    })?;
    if more > 0 {
        let detail = Some("more findings of the same kinds".to_owned());
        notices.push(report::Notice { kind: NoticeKind::Other, rule: "9.4".into(), count: Some(more), detail });
    }
    Ok(notices)
}

fn conflicts(platform: &Platform, id: IntegrationId) -> Result<Vec<report::Conflict>, IntegrationError> {
    let mut found = Vec::new();
    platform.directory.for_each_conflict(id, None::<ConflictState>, |row| {
        let conflict = &row.conflict;
        let kind = match accounts::Kind::from_word(&conflict.kind) {
            Some(accounts::Kind::AccountAlias) => report::ConflictKind::AccountAlias,
            Some(accounts::Kind::AliasAccount) => report::ConflictKind::AliasAccount,
            Some(accounts::Kind::AliasAlias) => report::ConflictKind::AliasAlias,
            Some(accounts::Kind::CatchAll) => report::ConflictKind::CatchAll,
            Some(accounts::Kind::Forwarding) => report::ConflictKind::Forwarding,
            Some(accounts::Kind::DomainOwner) => report::ConflictKind::DomainOwner,
            Some(accounts::Kind::TwoPeople) => report::ConflictKind::TwoPeople,
            Some(accounts::Kind::Script) => report::ConflictKind::Sieve,
            Some(accounts::Kind::AliasLoop) => report::ConflictKind::AliasLoop,
            None => return Err(DirectoryError::caller(format!("unknown kind of conflict {:?}", conflict.kind))),
        };
        let evidence: Evidence = serde_json::from_str(&conflict.evidence).map_err(DirectoryError::caller)?;
        let choices: Vec<accounts::Choice> = serde_json::from_str(&conflict.choices).map_err(DirectoryError::caller)?;
        found.push(report::Conflict {
            number: row.number.get(),
            kind,
            domain: conflict.domain.clone(),
            address: if conflict.address.is_empty() { conflict.domain.clone() } else { conflict.address.clone() },
            evidence: facts(&evidence),
            choices: choices
                .into_iter()
                .map(|c| report::Choice {
                    code: c.choice,
                    effect_es: c.effect_es,
                    effect_en: c.effect_en,
                    recommended: c.recommended,
                })
                .collect(),
            state: match &row.decision {
                None => report::ConflictState::Open,
                Some(decision) => report::ConflictState::Decided {
                    choice: decision.choice.clone(),
                    by: Some(decision.decided_by.clone()),
                    at: Some(decision.decided_at),
                },
            },
        });
        Ok(())
    })?;
    Ok(found)
}

/// What both sides say, fact by fact.
fn facts(evidence: &Evidence) -> Vec<report::Evidence> {
    use report::{EvidenceFact as Fact, EvidenceValue as Value};
    let text = |t: &Option<String>| t.clone().map(Value::Text);
    let time = |t: &Option<String>| {
        let parsed = t.as_ref().and_then(|t| t.parse::<jiff::Timestamp>().ok());
        parsed.map(|t| Value::Time(t.as_second()))
    };
    let list = |t: &[String]| Some(t.join(", ")).filter(|t| !t.is_empty()).map(Value::Text);
    type Of<'a> = &'a dyn Fn(&Side) -> Option<Value>;
    let each: [(Fact, Of<'_>); 8] = [
        (Fact::DisplayName, &|s| text(&s.name)),
        (Fact::Targets, &|s| list(&s.targets)),
        (Fact::Messages, &|s| s.messages.map(Value::Count)),
        (Fact::LastMessage, &|s| time(&s.last_message_at)),
        (Fact::PasswordSet, &|s| time(&s.password_set_at)),
        (Fact::LastSignIn, &|s| time(&s.last_login_at)),
        (Fact::Customer, &|s| text(&s.customer)),
        (Fact::Script, &|s| s.script.as_ref().map(|t| Value::Text(t.text.clone()))),
    ];
    each.iter()
        .map(|(fact, of)| report::Evidence { fact: *fact, before: of(&evidence.before), after: of(&evidence.after) })
        .filter(|e| e.before.is_some() || e.after.is_some())
        .collect()
}
