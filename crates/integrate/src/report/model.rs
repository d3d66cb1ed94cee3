//! What a report says, as plain data.

use super::verdict::{Grade, Verdict};
use crate::ledger::{Checked, Head, LineageRole, Outcome, hex, time_text};
use message::Digest;
use serde::{Deserialize, Serialize};

/// What an integration did, whole or as far as one domain is concerned.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Report {
    /// The only domain it tells of; `None`: all.
    pub domain: Option<String>,
    /// Which integration.
    pub integration: Integration,
    /// One word, and why.
    pub verdict: Verdict,
    /// The numbers of all domains, and of what belongs to none.
    pub totals: Totals,
    /// Domains, in the order in which they are to be shown.
    pub domains: Vec<DomainReport>,
    /// Decisions, waiting and taken.
    pub conflicts: Vec<Conflict>,
    /// Every row that is neither kept nor the same as a survivor, and every damaged one.
    pub damage: Vec<DamageEntry>,
    /// Pairs with the same Message-ID and different content (`RULES.md 2.3`).
    pub same_message_id: Vec<Pair>,
    /// Near twins (`RULES.md 2.5`).
    pub near_twins: Vec<Pair>,
    /// Findings that concern no account.
    pub notices: Vec<Notice>,
    /// The ledger that proves the numbers; `None` before it was exported.
    pub ledger: Option<LedgerFacts>,
}

/// Which integration, when and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// Its number.
    pub id: i64,
    /// What its operator called it.
    pub label: String,
    /// How far it is.
    pub state: State,
    /// The program and its version: `reintegra 0.1.0`.
    pub tool_version: String,
    /// When it was begun, seconds since 1970 UTC.
    #[serde(with = "time_text")]
    pub started: i64,
    /// When it was applied, seconds since 1970 UTC.
    #[serde(with = "time_text::option")]
    pub applied: Option<i64>,
    /// When verify last passed over it, seconds since 1970 UTC.
    #[serde(with = "time_text::option")]
    pub verified: Option<i64>,
    /// A moment of the last day of *before*, seconds since 1970 UTC.
    #[serde(with = "time_text::option")]
    pub before_until: Option<i64>,
    /// A moment of the first day of *after*, seconds since 1970 UTC.
    #[serde(with = "time_text::option")]
    pub after_from: Option<i64>,
    /// The zone in which times are shown (`America/Mexico_City`); `None` or an unknown one: UTC.
    pub time_zone: Option<String>,
    /// What was read.
    pub sources: Vec<ReportSource>,
    /// The policy used, as the ledger has it.
    pub policy: serde_json::Value,
}

/// A source as the report names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportSource {
    /// The lineage read from it.
    pub lineage: LineageRole,
    /// What kind of source and where.
    pub description: String,
}

/// How far an integration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Sources are being read into the store.
    Staging,
    /// They are read.
    Staged,
    /// Decisions are computed and can be read.
    Planned,
    /// Some accounts are applied.
    Applying,
    /// All are.
    Applied,
    /// And verify found them so.
    Verified,
    /// It can no longer be undone.
    Confirmed,
    /// It was taken back.
    Undone,
}

/// Counts of messages. `before` and `after` count what could be read and attributed or not; files of any other outcome
/// are counted beside them, under its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages of *before*.
    pub before: u64,
    /// Messages of *after*.
    pub after: u64,
    /// Matched pairs: one message each in the result.
    pub in_both: u64,
    /// Messages of the result.
    pub result: u64,
    /// Messages that the result has and *after* had not.
    pub added: u64,
    /// Messages of either lineage that end early or in zeros (`RULES.md 9.2`).
    pub damaged: u64,
    /// Damaged messages that a whole copy of the same lineage stands for: they are in `before` or `after`, not in
    /// `result`, and no pair of `in_both`.
    pub damaged_replaced: u64,
    /// Messages left out because they were deleted since *base* (`RULES.md 3.5`, `--honour-deletions`).
    pub deleted: u64,
    /// Messages of *before* that are sealed (`RULES.md 8.7`).
    pub sealed: u64,
    /// Messages that belong to nobody and wait in the operator's box (`RULES.md 9.3`).
    pub unattributed: u64,
    /// Readable messages that verify did not find in the result (`RULES.md` G1). Anything but 0 is a loss.
    pub missing: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Files that are no message.
    pub not_a_message: u64,
    /// UIDs listed without a file.
    pub listed_no_file: u64,
    /// Unfinished deliveries.
    pub unfinished: u64,
    /// Pairs with the same Message-ID and different content.
    pub same_message_id_pairs: u64,
    /// Pairs that are probably one mail delivered twice.
    pub near_twin_pairs: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        // Naming every field: a new one that is not added here does not compile.
        let Totals {
            before,
            after,
            in_both,
            result,
            added,
            damaged,
            damaged_replaced,
            deleted,
            sealed,
            unattributed,
            missing,
            unreadable,
            not_a_message,
            listed_no_file,
            unfinished,
            same_message_id_pairs,
            near_twin_pairs,
        } = other;
        self.before += before;
        self.after += after;
        self.in_both += in_both;
        self.result += result;
        self.added += added;
        self.damaged += damaged;
        self.damaged_replaced += damaged_replaced;
        self.deleted += deleted;
        self.sealed += sealed;
        self.unattributed += unattributed;
        self.missing += missing;
        self.unreadable += unreadable;
        self.not_a_message += not_a_message;
        self.listed_no_file += listed_no_file;
        self.unfinished += unfinished;
        self.same_message_id_pairs += same_message_id_pairs;
        self.near_twin_pairs += near_twin_pairs;
    }
}

/// One domain.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DomainReport {
    /// Its name.
    pub name: String,
    /// What a person has to do about it.
    pub grade: Grade,
    /// The numbers of its accounts.
    pub totals: Totals,
    /// Its accounts, in the order in which they are to be shown.
    pub accounts: Vec<AccountReport>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AccountReport {
    /// Its address.
    pub address: String,
    /// Which lineages had it.
    pub case: Case,
    /// Its numbers.
    pub totals: Totals,
    /// Its mailboxes, in the order in which they are to be shown.
    pub mailboxes: Vec<MailboxReport>,
    /// Where its password comes from (`RULES.md 7.2`).
    pub password: PasswordOrigin,
    /// Whether it has more mail than its quota (`RULES.md 7.5`).
    pub over_quota: bool,
    /// Decisions that wait about its address.
    pub open_decisions: u64,
    /// Findings about it.
    pub notices: Vec<Notice>,
}

/// Which lineages had an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Both (`RULES.md 7.1`).
    Both,
    /// *Before* only (7.3).
    BeforeOnly,
    /// *After* only (7.4).
    AfterOnly,
    /// *Before* had its mail and no account line (7.9): it is restored locked.
    MaildropWithoutAccount,
    /// *Before* had an account line and no mail (7.9): it is empty.
    AccountWithoutMaildrop,
}

/// Where an account's password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordOrigin {
    /// *After*: it did not change.
    After,
    /// *Before*: the earlier one is back.
    Before,
    /// Neither lineage has a usable one: the account is locked until its admin sets one.
    None,
}

/// One mailbox of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxReport {
    /// Its name in the result.
    pub name: String,
    /// Its name in *before*, where it was another (`RULES.md 6.2`).
    pub name_before: Option<String>,
    /// Messages it had in *before*.
    pub before: u64,
    /// Messages it had in *after*.
    pub after: u64,
    /// Messages of the result that were in it in both.
    pub both: u64,
    /// Messages it has.
    pub result: u64,
    /// Whose UIDs it keeps.
    pub uid: UidDecision,
}

/// Whose UIDs a mailbox keeps (`RULES.md 5.1`, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UidDecision {
    /// Those of both lineages: no client fetches anything twice.
    Both,
    /// Those of *after*; what came back has new ones.
    After,
    /// Those of *before*; what came since has new ones.
    Before,
    /// A new UIDVALIDITY: clients fetch the mailbox anew, once.
    Renewed,
}

/// Something worth knowing about an account or the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What was found.
    pub kind: NoticeKind,
    /// The rule under which it is listed (`9.4`).
    pub rule: String,
    /// How many things it concerns, where that is a number.
    pub count: Option<u64>,
    /// A name, a path, or, for [`NoticeKind::Other`], the finding itself in English.
    pub detail: Option<String>,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The lineages write the localpart in different case (`RULES.md 7.8`); detail: the spelling of *before*.
    SpellingDiffers,
    /// A Sieve script of the other lineage is kept under a name of its own (6.4); detail: that name.
    ScriptKept,
    /// Messages got a fresh UIDL because theirs stood twice (5.2).
    UidlRenewed,
    /// The UID list of a mailbox was mended (9.4); detail: the mailbox.
    UidsMended,
    /// A mailbox has a new UIDVALIDITY (5.4); detail: the mailbox.
    UidvalidityRenewed,
    /// Two mailboxes of one special use are one now (6.2); detail: the name of *before*.
    MailboxJoined,
    /// A mailbox's name could not stand as it was (6.1); detail: the name as it was.
    MailboxRenamed,
    /// Orphans were attributed to the account and are in a mailbox of their own (9.3); detail: the mailbox.
    OrphansRecovered,
    /// It was disabled in *before* and stays so (7.9), or its domain is (7.6).
    StaysDisabled,
    /// Messages deleted since *base* were left out (3.5).
    DeletionsHonoured,
    /// POP3 does not list messages of *before* (5.3).
    PopHidden,
    /// Anything else: the detail says it.
    Other,
}

/// A decision that a person takes (`RULES.md` section 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its number.
    pub number: i64,
    /// What it is about.
    pub kind: ConflictKind,
    /// The domain whose admin decides; one of [`ConflictKind::DomainOwner`] is the operator's.
    pub domain: String,
    /// The address it concerns (`@domain` for a catch-all; the domain for its owner).
    pub address: String,
    /// What the lineages say, where they differ.
    pub evidence: Vec<Evidence>,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// Whether it waits.
    pub state: ConflictState,
}

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// An account in *after* where *before* had an alias (`RULES.md 8.1`).
    AccountAlias,
    /// An alias in *after* where *before* had an account (8.2).
    AliasAccount,
    /// One alias, different targets (8.3).
    AliasAlias,
    /// One domain's catch-all, different targets (8.4).
    CatchAll,
    /// One account, different forwarding (8.5).
    Forwarding,
    /// One domain, different customers (8.6).
    DomainOwner,
    /// One address, two people perhaps (8.7).
    TwoPeople,
    /// A Sieve script of *before* that *after* replaced (8.8).
    #[serde(rename = "script")]
    Sieve,
    /// Aliases of both lineages together would make a loop.
    AliasLoop,
}

/// One fact that the lineages tell differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which fact.
    pub fact: EvidenceFact,
    /// What *before* says; `None`: nothing.
    pub before: Option<EvidenceValue>,
    /// What *after* says; `None`: nothing.
    pub after: Option<EvidenceValue>,
}

/// A fact that helps to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the fact of its name")]
pub enum EvidenceFact {
    DisplayName,
    Targets,
    KeepsCopy,
    Messages,
    LastMessage,
    Created,
    PasswordSet,
    LastSignIn,
    Customer,
    Script,
    Declared,
}

/// What a lineage says of a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceValue {
    /// A text as it stands there.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Count(u64),
    /// Seconds since 1970 UTC.
    Time(#[serde(with = "time_text")] i64),
}

/// One way to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What `conflicts resolve --choice` takes; after a `:` stands what is to be given in its place (`sealed-until:DATE`).
    pub code: String,
    /// What it does, in Spanish.
    pub effect_es: String,
    /// What it does, in English.
    pub effect_en: String,
    /// Whether it is recommended.
    pub recommended: bool,
}

/// Whether a decision waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ConflictState {
    /// It waits; *after* stays in force and nothing is thrown away.
    Open,
    /// It was taken.
    Decided {
        /// The code of what was chosen, with what was given (`sealed-until:2027-01-31`).
        choice: String,
        /// By whom.
        by: Option<String>,
        /// When, seconds since 1970 UTC.
        #[serde(with = "time_text::option")]
        at: Option<i64>,
    },
}

/// A file or message that is not simply in the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageEntry {
    /// Which history it is from.
    pub lineage: LineageRole,
    /// The domain it concerns, where one is known.
    pub domain: Option<String>,
    /// The account, where one is known.
    pub account: Option<String>,
    /// The mailbox, where one is known.
    pub mailbox: Option<String>,
    /// Where it lies, as [`crate::ledger::encode_path`] writes it.
    pub path: String,
    /// Why.
    pub reason: DamageReason,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it is in the result, marked damaged.
    pub damaged: bool,
}

/// Why a file could not be read whole, or is no message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "detail")]
pub enum DamageReason {
    /// It has no bytes.
    Empty,
    /// It holds nothing but zeros.
    ZeroFilled,
    /// It ends before its message does.
    EndsEarly,
    /// It ends in zeros.
    EndsInZeros,
    /// It disappeared after it was listed.
    Gone,
    /// It changed after it was listed.
    Changed,
    /// A link, a device or a directory.
    NotAFile,
    /// Larger than the source's limit.
    TooLarge,
    /// What the outcome says by itself: an unfinished delivery, a file that is no message, a UID without a file.
    ByOutcome,
    /// The system's own words.
    System(String),
    /// Any other reason, in English.
    Other(String),
}

/// Two messages that a reader might take for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Their account's domain.
    pub domain: String,
    /// Their account.
    pub address: String,
    /// Their Message-ID.
    pub message_id: String,
    /// Their subject, decoded, where it may be shown.
    pub subject: Option<String>,
    /// One of them.
    pub first: PairSide,
    /// The other.
    pub second: PairSide,
    /// What differs: names of header fields, `body`.
    pub differs: Vec<String>,
}

/// One message of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairSide {
    /// Which history it is from.
    pub lineage: LineageRole,
    /// Its mailbox in the result.
    pub mailbox: String,
    /// Its UID there.
    pub uid: Option<u32>,
    /// Size of its bytes.
    pub size_bytes: u64,
    /// Content digest.
    #[serde(with = "hex")]
    pub digest: Digest,
}

/// The ledger that proves a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFacts {
    /// Its rows.
    pub rows: u64,
    /// The last value of its chain, 64 hexadecimal digits.
    pub head: String,
    /// The key under which it is signed, 64 hexadecimal digits.
    pub public_key: String,
}

impl From<&Head> for LedgerFacts {
    fn from(head: &Head) -> Self {
        LedgerFacts { rows: head.rows, head: head.head.to_string(), public_key: head.public_key.to_string() }
    }
}

impl From<&Checked> for LedgerFacts {
    fn from(checked: &Checked) -> Self {
        let Checked { rows, head, public_key, .. } = checked;
        LedgerFacts { rows: *rows, head: head.to_string(), public_key: public_key.to_string() }
    }
}

impl Report {
    /// The report as far as one domain's admin may see it; `None` when the domain is not in it. Nothing of any other
    /// domain is left, nor what is the operator's: the label, the sources, the general findings, who owns the domain.
    pub fn for_domain(&self, domain: &str) -> Option<Report> {
        let of_domain = self.domains.iter().find(|candidate| candidate.name == domain)?;
        let pairs = |pairs: &[Pair]| pairs.iter().filter(|pair| pair.domain == domain).cloned().collect();
        let conflict = |conflict: &&Conflict| conflict.domain == domain && conflict.kind != ConflictKind::DomainOwner;
        let damage = |entry: &&DamageEntry| entry.domain.as_deref() == Some(domain);
        Some(Report {
            domain: Some(domain.to_owned()),
            integration: Integration { label: String::new(), sources: Vec::new(), ..self.integration.clone() },
            verdict: Verdict::judge(&of_domain.totals, self.integration.verified.is_some()),
            totals: of_domain.totals,
            domains: vec![of_domain.clone()],
            conflicts: self.conflicts.iter().filter(conflict).cloned().collect(),
            damage: self.damage.iter().filter(damage).cloned().collect(),
            same_message_id: pairs(&self.same_message_id),
            near_twins: pairs(&self.near_twins),
            notices: Vec::new(),
            ledger: self.ledger.clone(),
        })
    }

    /// Decisions that wait.
    pub fn open_decisions(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.state == ConflictState::Open)
    }
}
