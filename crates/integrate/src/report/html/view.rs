//! What the template shows: every text chosen, every number written, every list cut. The template only lays out.

use super::bilingual::{Bilingual, Quoted, clean, clean_statement};
use super::{MAX_ACCOUNTS_WITH_MAILBOXES, MAX_LIST_ROWS};
use crate::ledger::Outcome;
use crate::report::format::{Clock, number};
use crate::report::model::{
    AccountReport, Conflict, ConflictState, DamageEntry, DamageReason, DomainReport, EvidenceValue, MailboxReport,
    Notice, Pair, PairSide, PasswordOrigin, Report, Totals, UidDecision,
};
use crate::report::sentence::{Language, numbers, sentence};
use crate::report::text::Texts;
use crate::report::verdict::{Grade, ReasonKind, VerdictWord};
use askama::Template;

/// The page.
#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
pub(super) struct Page {
    t: Labels,
    style: &'static str,
    style_hash: String,
    is_whole: bool,
    title: Bilingual,
    period_before: Bilingual,
    period_after: Bilingual,
    checked: Bilingual,
    is_complete: bool,
    verdict: Bilingual,
    verdict_means: Bilingual,
    headline: Bilingual,
    reasons: Vec<Linked>,
    sum: Vec<Term>,
    sum_holds: bool,
    sum_line: Bilingual,
    beside: Vec<Linked>,
    chart: Option<Chart>,
    grades: Vec<GradeCount>,
    grades_chart: Vec<Slice>,
    todo: Vec<Todo>,
    open_decisions: usize,
    open_decisions_text: String,
    mailboxes_left_out: bool,
    domains: Vec<Domain>,
    decisions: Vec<Decision>,
    damage: Vec<Damage>,
    damage_cut: Option<Bilingual>,
    pairs: Vec<PairList>,
    notices: Vec<Finding>,
    proof: Option<Proof>,
    facts: Vec<Fact>,
    uid_legend: Vec<(char, Bilingual)>,
    words: Vec<(Bilingual, Bilingual)>,
}

/// Chooses a text of the catalogue.
type Label = fn(&Texts) -> &'static str;

/// Makes the struct of the catalogue's texts that depend on nothing, so that the template can name them.
macro_rules! labels {
    ($($name:ident)*) => {
        struct Labels {
            $($name: Bilingual,)*
        }

        impl Labels {
            fn new() -> Self {
                Labels { $($name: Bilingual::of(|texts| texts.$name),)* }
            }
        }
    };
}

labels! {
    account_sum_fails
    accounts_heading
    beside_heading
    chart_heading
    column_account
    column_accounts
    column_after
    column_before
    column_both
    column_differs
    column_domain
    column_file
    column_first
    column_grade
    column_mailbox
    column_outcome
    column_password
    column_reason
    column_result
    column_second
    column_subject
    column_uid
    column_what_happened
    contents
    damage_caption
    damage_heading
    damage_none
    damaged_kept
    decisions_heading
    decisions_meanwhile
    decisions_none
    domains_caption
    domains_heading
    evidence_caption
    facts_heading
    grades_heading
    kind_of_page
    mailboxes_left_out
    no_subject
    notices_heading
    over_quota
    pairs_heading
    proof_head
    proof_heading
    proof_key
    proof_means
    proof_none
    proof_rows
    proof_step_compare
    proof_step_file
    proof_step_file_domain
    proof_step_key
    proof_step_run
    recommended
    sum_heading
    todo_heading
    todo_nothing
    uid_legend
    words_heading
}

/// A text that counts something, and the list it counts.
struct Linked {
    text: Bilingual,
    link: &'static str,
}

/// One term of the sum.
struct Term {
    sign: &'static str,
    number: String,
    label: Bilingual,
    class: &'static str,
}

/// One part of a bar, in thousandths of its width.
struct Slice {
    class: &'static str,
    x: u64,
    width: u64,
}

/// The bar of where the result comes from.
struct Chart {
    slices: Vec<Slice>,
    described_es: String,
    described_en: String,
    legend: Vec<Legend>,
}

struct Legend {
    class: &'static str,
    label: Bilingual,
    number: String,
    share: String,
}

struct GradeCount {
    grade: GradeView,
    domains: Bilingual,
}

/// A grade as word, shape and class.
struct GradeView {
    class: &'static str,
    shape: char,
    word: Bilingual,
    means: Bilingual,
}

struct Todo {
    text: Bilingual,
    link: Option<&'static str>,
}

struct Domain {
    number: usize,
    name: Quoted,
    grade: GradeView,
    accounts_text: Bilingual,
    accounts_count: String,
    headline: Bilingual,
    before: String,
    after: String,
    both: String,
    result: String,
    bar: Vec<Slice>,
    caption: Bilingual,
    accounts: Vec<Account>,
}

struct Account {
    address: Quoted,
    case: Bilingual,
    sentence: Bilingual,
    before: String,
    after: String,
    both: String,
    result: String,
    password: Bilingual,
    needs_password: bool,
    over_quota: bool,
    sum_fails: bool,
    notices: Vec<Finding>,
    mailboxes_text: Bilingual,
    mailboxes: Vec<Mailbox>,
}

struct Mailbox {
    name: Quoted,
    was: Option<Bilingual>,
    before: String,
    after: String,
    both: String,
    result: String,
    uid: char,
}

struct Finding {
    text: Bilingual,
    rule: Option<Bilingual>,
}

struct Decision {
    number: String,
    question: Bilingual,
    is_open: bool,
    status: Bilingual,
    by: Option<Bilingual>,
    evidence: Vec<Evidence>,
    choices: Vec<ChoiceView>,
}

struct Evidence {
    fact: Bilingual,
    before: Bilingual,
    after: Bilingual,
}

struct ChoiceView {
    text: Bilingual,
    code: Quoted,
    /// Whether it was chosen or, while nobody has, is recommended.
    is_marked: bool,
}

struct Damage {
    path: Quoted,
    place: Option<Quoted>,
    lineage: Bilingual,
    reason: Bilingual,
    outcome: Bilingual,
    is_damaged: bool,
}

struct PairList {
    id: &'static str,
    heading: Bilingual,
    means: Bilingual,
    rows: Vec<PairView>,
    cut: Option<Bilingual>,
}

struct PairView {
    address: Quoted,
    subject: Option<Quoted>,
    sides: [Side; 2],
    differs: Quoted,
}

struct Side {
    lineage: Bilingual,
    mailbox: Quoted,
    uid: Option<u32>,
    size: Bilingual,
}

struct Proof {
    export: Option<String>,
    check: &'static str,
    key: String,
    head: String,
    rows: Option<String>,
}

struct Fact {
    label: Bilingual,
    value: Bilingual,
}

impl Page {
    /// Prepares a report to be laid out.
    pub(super) fn new(report: &Report, style: &'static str, style_hash: String) -> Self {
        let clock = Clock::new(report.integration.time_zone.as_deref());
        let totals = &report.totals;
        let is_whole = report.domain.is_none();
        let adding_up = totals.adding_up();
        let integration = &report.integration;
        let open_decisions = report.open_decisions().count();
        let accounts: usize = report.domains.iter().map(|domain| domain.accounts.len()).sum();
        let with_mailboxes = accounts <= MAX_ACCOUNTS_WITH_MAILBOXES;
        let (damage, damage_cut) = cut(&report.damage, damage);
        Page {
            t: Labels::new(),
            style,
            style_hash,
            is_whole,
            title: Bilingual::of(|texts| match &report.domain {
                Some(domain) => (texts.title_domain)(&clean(domain)),
                None => (texts.title_all)(&clean(&integration.label)),
            }),
            period_before: Bilingual::by(|language, texts| {
                (texts.period_before)(integration.before_until.map(|time| clock.date(time, language)).as_deref())
            }),
            period_after: Bilingual::by(|language, texts| {
                (texts.period_after)(integration.after_from.map(|time| clock.date(time, language)).as_deref())
            }),
            checked: Bilingual::by(|language, texts| match integration.verified {
                Some(time) => (texts.checked_at)(&clock.moment(time, language)),
                None => texts.not_checked.to_owned(),
            }),
            is_complete: report.verdict.word == VerdictWord::Complete,
            verdict: Bilingual::of(|texts| (texts.verdict)(report.verdict.word)),
            verdict_means: Bilingual::of(|texts| (texts.verdict_means)(report.verdict.word)),
            headline: Bilingual::of(|texts| numbers(totals, texts)),
            reasons: reasons(report),
            sum: sum(totals),
            sum_holds: adding_up.holds,
            sum_line: Bilingual::of(|texts| match adding_up.holds {
                true => texts.sum_holds.to_owned(),
                false => (texts.sum_fails)(&signed(adding_up.expected), &number(totals.result)),
            }),
            beside: beside(totals),
            chart: chart(totals),
            grades: grades(&report.domains),
            grades_chart: grades_chart(&report.domains),
            todo: todo(report, is_whole),
            open_decisions,
            open_decisions_text: number(open_decisions as u64),
            mailboxes_left_out: !with_mailboxes,
            domains: report
                .domains
                .iter()
                .enumerate()
                .map(|(place, domain)| self::domain(place + 1, domain, with_mailboxes))
                .collect(),
            decisions: report.conflicts.iter().map(|conflict| decision(conflict, &clock)).collect(),
            damage,
            damage_cut,
            pairs: pair_lists(report),
            notices: report.notices.iter().map(finding).collect(),
            proof: report.ledger.as_ref().map(|ledger| Proof {
                export: is_whole.then(|| {
                    let id = integration.id;
                    format!("reintegra --data DIR integrate report --id {id} --format ledger-csv --out ledger.csv")
                }),
                check: "reintegra ledger check ledger.csv --key ledger.pub",
                key: clean(&ledger.public_key),
                head: clean(&ledger.head),
                rows: is_whole.then(|| number(ledger.rows)),
            }),
            facts: facts(report, &clock, is_whole),
            uid_legend: [UidDecision::Both, UidDecision::After, UidDecision::Before, UidDecision::Renewed]
                .map(|uid| (uid_shape(uid), Bilingual::of(|texts| (texts.uid)(uid))))
                .into(),
            words: (0..Texts::of(Language::Spanish).words.len())
                .map(|place| (Bilingual::of(|texts| texts.words[place].0), Bilingual::of(|texts| texts.words[place].1)))
                .collect(),
        }
    }
}

fn reasons(report: &Report) -> Vec<Linked> {
    let linked = |kind: ReasonKind, count| Linked {
        text: Bilingual::of(|texts| (texts.reason)(kind, count)),
        link: match kind {
            ReasonKind::Missing | ReasonKind::NotVerified => "#todo",
            ReasonKind::DoesNotAddUp => "#sum",
            ReasonKind::Unreadable
            | ReasonKind::Sealed
            | ReasonKind::Unattributed
            | ReasonKind::Deleted
            | ReasonKind::ListedNoFile
            | ReasonKind::Unfinished
            | ReasonKind::NotAMessage => "#damage",
        },
    };
    report.verdict.reasons.iter().map(|reason| linked(reason.kind, reason.count)).collect()
}

/// The terms of the sum: the usual three and the result always, the others where there is something to take away.
fn sum(totals: &Totals) -> Vec<Term> {
    let term =
        |sign, count, label: Label, class| Term { sign, number: number(count), label: Bilingual::of(label), class };
    let mut terms = vec![
        term("", totals.before, |texts| texts.sum_before, "before"),
        term("+", totals.after, |texts| texts.sum_after, "after"),
        term("−", totals.in_both, |texts| texts.sum_both, "both"),
    ];
    let others: [(u64, Label); 4] = [
        (totals.damaged_replaced, |texts| texts.sum_damaged_replaced),
        (totals.deleted, |texts| texts.sum_deleted),
        (totals.sealed, |texts| texts.sum_sealed),
        (totals.unattributed, |texts| texts.sum_unattributed),
    ];
    terms.extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, label)| term("−", count, label, "")));
    terms.push(term("=", totals.result, |texts| texts.sum_result, "result"));
    terms
}

/// What was found beside the messages; what could not be read is said even when it is nothing.
fn beside(totals: &Totals) -> Vec<Linked> {
    type Said = fn(&Texts, u64) -> String;
    let counts: [(u64, Said, &'static str); 8] = [
        (totals.added, |texts, n| (texts.beside_added)(n), "#domains"),
        (totals.unreadable, |texts, n| (texts.beside_unreadable)(n), "#damage"),
        (totals.damaged, |texts, n| (texts.beside_damaged)(n), "#damage"),
        (totals.listed_no_file, |texts, n| (texts.beside_listed_no_file)(n), "#damage"),
        (totals.unfinished, |texts, n| (texts.beside_unfinished)(n), "#damage"),
        (totals.not_a_message, |texts, n| (texts.beside_not_a_message)(n), "#damage"),
        (totals.same_message_id_pairs, |texts, n| (texts.beside_same_id)(n), "#same-id"),
        (totals.near_twin_pairs, |texts, n| (texts.beside_twins)(n), "#twins"),
    ];
    counts
        .into_iter()
        .enumerate()
        .filter(|(place, (count, _, _))| *place < 2 || *count > 0)
        .map(|(_, (count, said, link))| Linked { text: Bilingual::of(|texts| said(texts, count)), link })
        .collect()
}

/// How the result divides; `None` when there is nothing to divide. What is taken from *before* apart from pairs is not
/// in the result, so the part that comes from before only is what the others leave.
fn parts(totals: &Totals) -> Option<[u64; 3]> {
    let both = totals.in_both.min(totals.result);
    let after = totals.after.saturating_sub(totals.in_both).min(totals.result - both);
    (totals.result > 0).then(|| [totals.result - both - after, both, after])
}

const PARTS: [&str; 3] = ["before", "both", "after"];

fn chart(totals: &Totals) -> Option<Chart> {
    let parts = parts(totals)?;
    let labels: [Label; 3] = [|texts| texts.chart_before, |texts| texts.chart_both, |texts| texts.chart_after];
    let [before, both, after] = parts.map(number);
    let described = Bilingual::of(|texts| (texts.chart_described)(&before, &both, &after));
    Some(Chart {
        slices: slices(&parts, &PARTS),
        described_es: described.spanish().to_owned(),
        described_en: described.english().to_owned(),
        legend: (0..3)
            .map(|place| Legend {
                class: PARTS[place],
                label: Bilingual::of(labels[place]),
                number: number(parts[place]),
                share: share(parts[place], totals.result),
            })
            .collect(),
    })
}

/// Divides a bar of 1000 units; what is there at all can be seen.
fn slices(parts: &[u64], classes: &[&'static str]) -> Vec<Slice> {
    let all: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    if all == 0 {
        return Vec::new();
    }
    let seen: Vec<u64> = parts
        .iter()
        .map(|part| if *part == 0 { 0 } else { ((u128::from(*part) * 1000 / all) as u64).max(6) })
        .collect();
    let excess = seen.iter().sum::<u64>().saturating_sub(1000);
    let widest = (0..seen.len()).max_by_key(|place| seen[*place]).unwrap_or_default();
    let last = seen.iter().rposition(|width| *width > 0).unwrap_or_default();
    let mut x = 0;
    let mut slices = Vec::with_capacity(seen.len());
    for (place, (width, class)) in seen.iter().zip(classes).enumerate().filter(|(_, (width, _))| **width > 0) {
        let width = if place == widest { width - excess.min(width - 1) } else { *width };
        let width = if place == last { 1000_u64.saturating_sub(x).max(1) } else { width };
        slices.push(Slice { class, x, width });
        x += width;
    }
    slices
}

/// `31.4 %`; what is there is never said to be 0 %, what is not everything never 100 %.
fn share(part: u64, all: u64) -> String {
    let thousandths = (u128::from(part) * 1000 + u128::from(all) / 2) / u128::from(all.max(1));
    match (part, thousandths) {
        (0, _) => "0 %".to_owned(),
        (_, 0) => "< 0.1 %".to_owned(),
        (part, 1000) if part < all => "> 99.9 %".to_owned(),
        (_, thousandths) => format!("{}.{} %", thousandths / 10, thousandths % 10),
    }
}

const GRADES: [Grade; 4] = [Grade::Perfect, Grade::Good, Grade::Look, Grade::Poor];

fn grades(domains: &[DomainReport]) -> Vec<GradeCount> {
    let count = |grade| domains.iter().filter(|domain| domain.grade == grade).count() as u64;
    let counted =
        |grade| GradeCount { grade: grade_view(grade), domains: Bilingual::of(|texts| (texts.domains)(count(grade))) };
    GRADES.into_iter().map(counted).collect()
}

fn grades_chart(domains: &[DomainReport]) -> Vec<Slice> {
    let counts = GRADES.map(|grade| domains.iter().filter(|domain| domain.grade == grade).count() as u64);
    slices(&counts, &GRADES.map(grade_class))
}

fn grade_view(grade: Grade) -> GradeView {
    GradeView {
        class: grade_class(grade),
        shape: match grade {
            Grade::Perfect => '●',
            Grade::Good => '◆',
            Grade::Look => '▲',
            Grade::Poor => '■',
        },
        word: Bilingual::of(|texts| (texts.grade)(grade)),
        means: Bilingual::of(|texts| (texts.grade_means)(grade)),
    }
}

fn grade_class(grade: Grade) -> &'static str {
    match grade {
        Grade::Perfect => "perfect",
        Grade::Good => "good",
        Grade::Look => "look",
        Grade::Poor => "poor",
    }
}

fn todo(report: &Report, is_whole: bool) -> Vec<Todo> {
    type Said = fn(&Texts, u64) -> String;
    let accounts = || report.domains.iter().flat_map(|domain| &domain.accounts);
    let locked = accounts().filter(|account| account.password == PasswordOrigin::None).count() as u64;
    let over_quota = accounts().filter(|account| account.over_quota).count() as u64;
    let open = report.open_decisions().count() as u64;
    let totals = &report.totals;
    let fails = u64::from(!totals.adding_up().holds);
    let unverified = u64::from(report.integration.verified.is_none());
    let for_operator: [(u64, Said, Option<&'static str>); 4] = [
        (totals.missing, |texts, n| (texts.todo_missing_operator)(n), None),
        (fails, |texts, _| texts.todo_sum_operator.to_owned(), Some("#sum")),
        (unverified, |texts, _| texts.todo_verify_operator.to_owned(), None),
        (totals.unattributed, |texts, n| (texts.todo_unattributed)(n), Some("#damage")),
    ];
    let for_domain: [(u64, Said, Option<&'static str>); 4] = [
        (totals.missing, |texts, n| (texts.todo_missing_domain)(n), None),
        (fails, |texts, _| texts.todo_sum_domain.to_owned(), Some("#sum")),
        (unverified, |texts, _| texts.todo_verify_domain.to_owned(), None),
        (0, |_, _| String::new(), None),
    ];
    let for_both: [(u64, Said, Option<&'static str>); 4] = [
        (open, |texts, n| (texts.todo_open)(n), Some("#decisions")),
        (locked, |texts, n| (texts.todo_locked)(n), Some("#domains")),
        (over_quota, |texts, n| (texts.todo_over_quota)(n), Some("#domains")),
        (totals.unreadable, |texts, n| (texts.todo_unreadable)(n), Some("#damage")),
    ];
    let own = if is_whole { for_operator } else { for_domain };
    own.into_iter()
        .chain(for_both)
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, said, link)| Todo { text: Bilingual::of(|texts| said(texts, count)), link })
        .collect()
}

fn domain(place: usize, domain: &DomainReport, with_mailboxes: bool) -> Domain {
    let totals = &domain.totals;
    let accounts = domain.accounts.len() as u64;
    Domain {
        number: place,
        name: Quoted::new(&domain.name),
        grade: grade_view(domain.grade),
        accounts_text: Bilingual::of(|texts| (texts.accounts)(accounts)),
        accounts_count: number(accounts),
        headline: Bilingual::of(|texts| numbers(totals, texts)),
        before: number(totals.before),
        after: number(totals.after),
        both: number(totals.in_both),
        result: number(totals.result),
        bar: parts(totals).map(|parts| slices(&parts, &PARTS)).unwrap_or_default(),
        caption: Bilingual::of(|texts| (texts.accounts_caption)(&clean(&domain.name))),
        accounts: domain.accounts.iter().map(|account| self::account(account, with_mailboxes)).collect(),
    }
}

fn account(account: &AccountReport, with_mailboxes: bool) -> Account {
    let mailboxes = if with_mailboxes { &account.mailboxes[..] } else { &[] };
    let totals = &account.totals;
    Account {
        address: Quoted::address(&account.address),
        case: Bilingual::of(|texts| (texts.case)(account.case)),
        sentence: Bilingual::by(|language, _| sentence(account, language)),
        before: number(totals.before),
        after: number(totals.after),
        both: number(totals.in_both),
        result: number(totals.result),
        password: Bilingual::of(|texts| (texts.password)(account.password)),
        needs_password: account.password == PasswordOrigin::None,
        over_quota: account.over_quota,
        sum_fails: !totals.adding_up().holds,
        notices: account.notices.iter().map(finding).collect(),
        mailboxes_text: Bilingual::of(|texts| (texts.mailboxes)(mailboxes.len() as u64)),
        mailboxes: mailboxes.iter().map(mailbox).collect(),
    }
}

fn mailbox(mailbox: &MailboxReport) -> Mailbox {
    let was = mailbox.name_before.as_deref().map(clean);
    Mailbox {
        name: Quoted::new(&mailbox.name),
        was: was.map(|was| Bilingual::of(|texts| (texts.mailbox_was)(&was))),
        before: number(mailbox.before),
        after: number(mailbox.after),
        both: number(mailbox.both),
        result: number(mailbox.result),
        uid: uid_shape(mailbox.uid),
    }
}

/// One character per decision, explained once above the tables: words in every row would double a large page.
fn uid_shape(uid: UidDecision) -> char {
    match uid {
        UidDecision::Both => '◆',
        UidDecision::After => '●',
        UidDecision::Before => '○',
        UidDecision::Renewed => '▲',
    }
}

fn finding(notice: &Notice) -> Finding {
    let detail = notice.detail.as_deref().map(clean).unwrap_or_default();
    let rule = clean(&notice.rule);
    Finding {
        text: Bilingual::of(|texts| (texts.notice)(notice.kind, notice.count.unwrap_or(1), &detail)),
        rule: (!rule.is_empty()).then(|| Bilingual::of(|texts| (texts.rule)(&rule))),
    }
}

fn decision(conflict: &Conflict, clock: &Clock) -> Decision {
    let address = clean(&conflict.address);
    let (chosen, by) = match &conflict.state {
        ConflictState::Open => (None, None),
        ConflictState::Decided { choice, by, at } => {
            let by = by.as_deref().map(clean);
            let is_signed = by.is_some() || at.is_some();
            let signed = |language, texts: &Texts| {
                let by = by.as_deref().map(|by| (texts.decided_by)(by));
                let at = at.map(|at| clock.moment(at, language));
                by.into_iter().chain(at).collect::<Vec<_>>().join(", ")
            };
            (Some(choice.as_str()), is_signed.then(|| Bilingual::by(signed)))
        }
    };
    // A choice that takes an argument is known by what stands before it.
    let word = |code: &'_ str| code.split(':').next().map(str::to_owned);
    Decision {
        number: conflict.number.to_string(),
        question: Bilingual::of(|texts| (texts.question)(conflict.kind, &address)),
        is_open: chosen.is_none(),
        status: Bilingual::of(|texts| if chosen.is_some() { texts.decided } else { texts.waiting }),
        by,
        evidence: conflict
            .evidence
            .iter()
            .map(|evidence| Evidence {
                fact: Bilingual::of(|texts| (texts.evidence)(evidence.fact)),
                before: said(evidence.before.as_ref(), clock),
                after: said(evidence.after.as_ref(), clock),
            })
            .collect(),
        choices: conflict
            .choices
            .iter()
            .map(|choice| ChoiceView {
                text: Bilingual::by(|language, _| match language {
                    Language::Spanish => clean_statement(&choice.effect_es),
                    Language::English => clean_statement(&choice.effect_en),
                }),
                code: Quoted::new(&choice.code),
                is_marked: match chosen {
                    Some(chosen) => word(chosen) == word(&choice.code),
                    None => choice.recommended,
                },
            })
            .collect(),
    }
}

fn said(value: Option<&EvidenceValue>, clock: &Clock) -> Bilingual {
    Bilingual::by(|language, texts| match value {
        None => texts.nothing.to_owned(),
        Some(EvidenceValue::Text(text)) => clean_statement(text),
        Some(EvidenceValue::Flag(true)) => texts.yes.to_owned(),
        Some(EvidenceValue::Flag(false)) => texts.no.to_owned(),
        Some(EvidenceValue::Count(count)) => number(*count),
        Some(EvidenceValue::Time(seconds)) => clock.moment(*seconds, language),
    })
}

fn damage(entry: &DamageEntry) -> Damage {
    let place = [entry.account.as_deref(), entry.mailbox.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    let reason = match &entry.reason {
        DamageReason::System(text) => DamageReason::System(clean_statement(text)),
        DamageReason::Other(text) => DamageReason::Other(clean_statement(text)),
        reason => reason.clone(),
    };
    Damage {
        path: Quoted::statement(&entry.path),
        place: (!place.is_empty()).then(|| Quoted::new(&place.join(" · "))),
        lineage: Bilingual::of(|texts| (texts.lineage)(entry.lineage)),
        reason: Bilingual::of(|texts| (texts.damage_reason)(&reason, entry.outcome)),
        outcome: Bilingual::of(|texts| (texts.outcome)(entry.outcome)),
        is_damaged: entry.damaged && matches!(entry.outcome, Outcome::Kept),
    }
}

fn pair_lists(report: &Report) -> Vec<PairList> {
    let list = |id, pairs: &[Pair], heading: Label, means: Label| {
        let (rows, cut) = cut(pairs, pair);
        PairList { id, heading: Bilingual::of(heading), means: Bilingual::of(means), rows, cut }
    };
    let same_id = list("same-id", &report.same_message_id, |texts| texts.same_id_heading, |texts| texts.same_id_means);
    let twins = list("twins", &report.near_twins, |texts| texts.twins_heading, |texts| texts.twins_means);
    [same_id, twins].into_iter().filter(|list| !list.rows.is_empty()).collect()
}

fn pair(pair: &Pair) -> PairView {
    PairView {
        address: Quoted::address(&pair.address),
        subject: pair.subject.as_deref().filter(|subject| !subject.is_empty()).map(Quoted::new),
        sides: [side(&pair.first), side(&pair.second)],
        differs: Quoted::new(&pair.differs.join(", ")),
    }
}

fn side(side: &PairSide) -> Side {
    Side {
        lineage: Bilingual::of(|texts| (texts.lineage)(side.lineage)),
        mailbox: Quoted::new(&side.mailbox),
        uid: side.uid,
        size: Bilingual::of(|texts| (texts.bytes)(side.size_bytes)),
    }
}

fn facts(report: &Report, clock: &Clock, is_whole: bool) -> Vec<Fact> {
    let integration = &report.integration;
    let fact = |label: Label, value| Fact { label: Bilingual::of(label), value };
    let moment = |time: i64| Bilingual::by(|language, _| clock.moment(time, language));
    let plain = |text: &str| Bilingual::of(|_| clean_statement(text));
    let mut facts = vec![
        fact(|texts| texts.fact_integration, plain(&integration.id.to_string())),
        fact(|texts| texts.fact_state, Bilingual::of(|texts| (texts.state)(integration.state))),
        fact(|texts| texts.fact_started, moment(integration.started)),
    ];
    facts.extend(integration.applied.map(|time| fact(|texts| texts.fact_applied, moment(time))));
    facts.extend(integration.verified.map(|time| fact(|texts| texts.fact_verified, moment(time))));
    if is_whole {
        facts.extend(integration.sources.iter().map(|source| {
            let value =
                Bilingual::of(|texts| format!("{}: {}", (texts.lineage)(source.lineage), clean(&source.description)));
            fact(|texts| texts.fact_sources, value)
        }));
    }
    facts.push(fact(|texts| texts.fact_policy, plain(&integration.policy.to_string())));
    facts.push(fact(|texts| texts.fact_tool, plain(&integration.tool_version)));
    facts
}

/// Shows the first of a list, and says so where there are more.
fn cut<T, V>(all: &[T], show: impl Fn(&T) -> V) -> (Vec<V>, Option<Bilingual>) {
    let shown = &all[..all.len().min(MAX_LIST_ROWS)];
    let cut =
        (shown.len() < all.len()).then(|| Bilingual::of(|texts| (texts.cut)(shown.len() as u64, all.len() as u64)));
    (shown.iter().map(show).collect(), cut)
}

fn signed(value: i64) -> String {
    let digits = number(value.unsigned_abs());
    if value < 0 { format!("−{digits}") } else { digits }
}
