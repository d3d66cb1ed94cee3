//! The whole integration of the project's own sample, held against what its script says must come out.
#![allow(clippy::unwrap_used)]

mod support_flow;

use integrate::Platform;
use integrate::report::{self, ConflictKind, PasswordOrigin, ReasonKind, Report, VerdictWord};
use std::collections::{BTreeMap, BTreeSet};
use support_flow::shown::{self, Shown, ShownMessage, account, signs_in};
use support_flow::{Bench, Whole, check, ledger};
use testkit::sample::{Expected, ExpectedMailbox, ExpectedMessage, Totals, expected};

#[test]
fn it_comes_out_as_expected_in_one_cell() {
    comes_out_as_expected(1);
}

#[test]
fn it_comes_out_as_expected_in_four_cells() {
    comes_out_as_expected(4);
}

/// File names, subjects, Message-IDs, display names, aliases and scripts are written by strangers.
#[test]
fn what_strangers_wrote_stays_text_in_the_page() {
    const MARKUP: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let bench = Bench::of_sample();
    let home = bench.before().join("mail/panaderia.example/carmen/Maildir");
    let in_a_name = MARKUP.replace('/', "");
    std::fs::write(home.join(format!("cur/1700000000.{in_a_name}:2,S")), b"").unwrap();
    for (n, text) in ["one", "two"].iter().enumerate() {
        let mail = format!("Message-ID: <{MARKUP}@x>\nSubject: {MARKUP}\nFrom: {MARKUP} <a@example.org>\n\n{text}\n");
        std::fs::write(home.join(format!("cur/170000001{n}.M{n}P1.viejo:2,S")), mail).unwrap();
    }
    std::fs::create_dir_all(home.join(format!(".{in_a_name}/cur"))).unwrap();
    std::fs::write(bench.before().join("mail/panaderia.example/ana/sieve/filtros.sieve"), format!("# {MARKUP}\n"))
        .unwrap();
    std::fs::write(bench.before().join("mail/panaderia.example/ana/.dovecot.sieve"), format!("# {MARKUP}\n")).unwrap();
    let platform = bench.init(1);
    let whole = bench.integrate(&platform);
    let report = integrate::build_report(&platform, whole.id).unwrap();
    let pages = [Some(report::html::render(&report)), report::html::render_domain(&report, "panaderia.example")];
    for page in pages.into_iter().flatten() {
        assert!(!page.contains("<script") && !page.contains("<img"), "{MARKUP} is markup");
        assert!(page.contains("&#60;script") || page.contains("&lt;script"), "{MARKUP} is not quoted at all");
    }
    assert!(report.same_message_id.iter().any(|pair| pair.subject.as_deref() == Some(MARKUP)));
    ledger::rows(&platform, whole.id);
    check(&platform);
}

fn comes_out_as_expected(cells: u32) {
    let bench = Bench::of_sample();
    let platform = bench.init(cells);
    let whole = bench.integrate(&platform);
    let expected = expected().unwrap();
    let report = integrate::build_report(&platform, whole.id).unwrap();

    mail_is(&platform, &expected);
    accounts_are(&platform, &expected, &report);
    aliases_are(&platform, &expected);
    decisions_are(&expected, &report);
    totals_are(&expected, &report);
    the_verdict_is_incomplete(&report);
    the_ledger_accounts_for_every_file(&bench, &platform, &whole, &expected, &report);
    check(&platform);
}

fn mail_is(platform: &Platform, expected: &Expected) {
    for want in &expected.accounts {
        let have: BTreeMap<String, Shown> =
            account(platform, &want.address).into_iter().map(|m| (m.name.clone(), m)).collect();
        if want.mailboxes.is_empty() {
            assert!(have.values().all(|m| m.messages.is_empty()), "{}", want.address);
            continue;
        }
        let names: BTreeSet<&str> = want.mailboxes.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(have.keys().map(String::as_str).collect::<BTreeSet<_>>(), names, "{}", want.address);
        for mailbox in &want.mailboxes {
            mailbox_is(&have[&mailbox.name], mailbox, &want.address);
        }
    }
    let known: BTreeSet<&str> = expected.accounts.iter().map(|a| a.address.as_str()).collect();
    assert_eq!(shown::addresses(platform).iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

fn mailbox_is(have: &Shown, want: &ExpectedMailbox, of: &str) {
    let place = format!("{of} {}", want.name);
    if let Some(uidvalidity) = want.uidvalidity {
        assert_eq!(have.uidvalidity, Some(uidvalidity), "{place}");
    }
    assert_eq!(have.subscribed, want.subscribed, "{place}");
    let mut messages: Vec<ExpectedMessage> = want.messages.clone();
    let order = |m: &ExpectedMessage| (m.internal_date, m.digest.clone(), m.uid);
    messages.sort_by_key(order);
    let kept: Vec<u32> = messages.iter().filter_map(|m| m.uid).collect();
    let highest = kept.iter().max().copied().unwrap_or(0);
    let new: Vec<u32> = have.messages.iter().map(|m| m.uid).filter(|uid| !kept.contains(uid)).collect();
    assert!(new.iter().all(|uid| *uid > highest && *uid < have.uidnext), "{place}: {new:?} above {highest}");
    let mut found: Vec<ExpectedMessage> = have.messages.iter().map(|m| as_expected(m, &kept)).collect();
    found.sort_by_key(order);
    for message in &mut messages {
        // Where it was is told by its ledger row.
        message.moved_from = None;
    }
    assert_eq!(found, messages, "{place}");
}

fn as_expected(message: &ShownMessage, kept: &[u32]) -> ExpectedMessage {
    ExpectedMessage {
        digest: message.digest.clone(),
        flags: message.flags.clone(),
        keywords: message.keywords.clone(),
        internal_date: message.internal_date,
        uid: Some(message.uid).filter(|uid| kept.contains(uid)),
        damaged: message.damaged,
        moved_from: None,
    }
}

fn accounts_are(platform: &Platform, expected: &Expected, report: &Report) {
    let reported: BTreeMap<&str, _> =
        report.domains.iter().flat_map(|d| &d.accounts).map(|a| (a.address.as_str(), a)).collect();
    for want in &expected.accounts {
        let address = shown::address(&want.address);
        let have = platform.directory.account(&address).unwrap().unwrap();
        assert_eq!(have.address.to_string(), want.address);
        assert_eq!(have.state.as_str(), want.state, "{address}");
        let active = platform.directory.active_script(have.id).unwrap();
        let active = active.map(|script| String::from_utf8(script.content).unwrap());
        assert_eq!(active, want.active_script, "{address}");
        let others = platform.directory.scripts(have.id).unwrap().iter().filter(|script| !script.active).count();
        assert_eq!(others, usize::from(want.other_script_kept), "{address}");
        let reported = reported.get(want.address.as_str());
        let reported = reported.unwrap_or_else(|| panic!("{address} is not in the report"));
        assert_eq!(password_origin(reported.password), want.password.origin, "{address}");
        let Some(plain) = &want.password.plain else { continue };
        match want.state.as_str() {
            "open" => assert_eq!(signs_in(platform, &want.address, plain), Ok(()), "{address}"),
            "disabled" => {
                assert_eq!(signs_in(platform, &want.address, plain), Err(directory::Refusal::Disabled), "{address}");
            }
            state => panic!("{address} has a password and is {state}"),
        }
        let other = signs_in(platform, &want.address, &format!("{plain} "));
        assert_eq!(other, Err(directory::Refusal::WrongPassword), "{address}");
    }
}

fn password_origin(origin: PasswordOrigin) -> &'static str {
    match origin {
        PasswordOrigin::After => "after",
        PasswordOrigin::Before => "before",
        PasswordOrigin::None => "none",
    }
}

fn aliases_are(platform: &Platform, expected: &Expected) {
    let in_force: BTreeMap<String, Vec<String>> = shown::aliases(platform)
        .into_iter()
        .filter(|(_, (_, enabled))| *enabled)
        .map(|(address, (targets, _))| (address, targets))
        .collect();
    let want: BTreeMap<String, Vec<String>> =
        expected.aliases.iter().filter_map(|a| Some((a.address.clone(), a.in_force.clone()?))).collect();
    assert_eq!(in_force, want);
    let mut domains = Vec::new();
    platform
        .directory
        .for_each_domain(|domain| {
            domains.push(domain.name);
            Ok(())
        })
        .unwrap();
    domains.sort();
    let mut want: Vec<&str> = expected.domains.iter().map(|d| d.name.as_str()).collect();
    want.sort_unstable();
    assert_eq!(domains, want);
}

fn decisions_are(expected: &Expected, report: &Report) {
    let rule = |kind| match kind {
        ConflictKind::AccountAlias => "8.1",
        ConflictKind::AliasAccount => "8.2",
        ConflictKind::AliasAlias => "8.3",
        ConflictKind::CatchAll => "8.4",
        ConflictKind::Sieve => "8.8",
        other => panic!("the sample has no conflict {other:?}"),
    };
    let mut found: Vec<(String, String, String)> =
        report.open_decisions().map(|c| (rule(c.kind).to_owned(), c.domain.clone(), c.address.clone())).collect();
    found.sort();
    let mut want: Vec<(String, String, String)> =
        expected.conflicts.iter().map(|c| (c.rule.clone(), c.domain.clone(), c.address.clone())).collect();
    want.sort();
    assert_eq!(found, want);
    assert_eq!(report.conflicts.len(), want.len(), "none is decided yet");
}

fn totals_are(expected: &Expected, report: &Report) {
    assert_eq!(of_report(&report.totals), of_sample(&expected.totals));
    assert!(report.totals.adding_up().holds, "{:?}", report.totals);
    assert_eq!(report.totals.missing, 0);
    let reported: BTreeMap<&str, _> =
        report.domains.iter().flat_map(|d| &d.accounts).map(|a| (a.address.as_str(), a)).collect();
    assert_eq!(reported.len(), expected.accounts.len());
    for want in &expected.accounts {
        let have = reported[want.address.as_str()];
        assert_eq!(of_report(&have.totals), of_sample(&want.totals), "{}", want.address);
        assert!(have.totals.adding_up().holds, "{}", want.address);
        for mailbox in &want.mailboxes {
            let name = mailbox.name.replace('.', "/");
            let shown = have.mailboxes.iter().find(|m| m.name == name);
            let shown = shown.unwrap_or_else(|| panic!("{} {name}: {:?}", want.address, have.mailboxes));
            assert_eq!(shown.result, mailbox.result as u64, "{} {name}", want.address);
        }
    }
    assert_eq!(report.totals.same_message_id_pairs, expected.pairs.same_message_id as u64);
    assert_eq!(report.totals.near_twin_pairs, expected.pairs.near_twins as u64);
    assert_eq!(report.same_message_id.len(), expected.pairs.same_message_id);
    assert_eq!(report.near_twins.len(), expected.pairs.near_twins);
}

/// Numbers that both name: the report counts what `lost+found` gave back, or nobody's, among *before*; and as pairs
/// those of a damaged message and a whole one of the other lineage, which the sample counts as folded.
fn of_report(totals: &report::Totals) -> [u64; 10] {
    let report::Totals { before, after, in_both, damaged_replaced, result, damaged, unattributed, .. } = *totals;
    let report::Totals { unreadable, not_a_message, unfinished, listed_no_file, .. } = *totals;
    let joined = in_both + damaged_replaced;
    [before, after, joined, result, damaged, unattributed, unreadable, not_a_message, unfinished, listed_no_file]
}

fn of_sample(totals: &Totals) -> [u64; 10] {
    let Totals { before, after, recovered, both, folded, result, damaged, .. } = *totals;
    let Totals { unreadable, not_a_message, unfinished, listed_no_file, unattributed, .. } = *totals;
    let (before, joined) = (before + recovered + unattributed, both + folded);
    [before, after, joined, result, damaged, unattributed, unreadable, not_a_message, unfinished, listed_no_file]
        .map(|n| n as u64)
}

fn the_verdict_is_incomplete(report: &Report) {
    assert_eq!(report.verdict.word, VerdictWord::Incomplete);
    let reasons: Vec<(ReasonKind, u64)> = report.verdict.reasons.iter().map(|r| (r.kind, r.count)).collect();
    let want = [
        (ReasonKind::Unreadable, 2),
        (ReasonKind::Unattributed, 1),
        (ReasonKind::ListedNoFile, 1),
        (ReasonKind::Unfinished, 1),
        (ReasonKind::NotAMessage, 1),
    ];
    assert_eq!(reasons, want);
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["verdict"]["word"], "incomplete");
    assert_eq!(json["adding_up"]["holds"], true);
    let page = report::html::render(report);
    for words in ["lang=es", "lang=en", "Español", "English", "panaderia.example"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script"));
}

fn the_ledger_accounts_for_every_file(
    bench: &Bench,
    platform: &Platform,
    whole: &Whole,
    expected: &Expected,
    report: &Report,
) {
    let (checked, rows) = ledger::rows(platform, whole.id);
    let (before, after) = (ledger::items_of_tree(&bench.before()), ledger::items_of_tree(&bench.after()));
    let of = |lineage: &str| rows.iter().filter(|row| row["lineage"] == lineage).count() as u64;
    assert_eq!((of("before"), of("after"), checked.rows), (before, after, before + after));
    for source in &checked.header.sources {
        assert_eq!(source.items, of(source.lineage.name()), "{}", source.description);
    }
    let facts = report.ledger.as_ref().unwrap();
    assert_eq!((facts.rows, facts.head.clone()), (checked.rows, checked.head.to_string()));
    // RULES.md 3.4: who moved it since, and where it was, is told by its row.
    let want =
        expected.accounts.iter().flat_map(|a| &a.mailboxes).flat_map(|m| m.messages.iter().map(move |one| (m, one)));
    for (mailbox, message) in want.filter(|(_, message)| message.moved_from.is_some()) {
        let was_in = message.moved_from.as_deref().filter(|was| *was != "lost+found").unwrap_or("Recuperados");
        let is_told = |row: &&serde_json::Value| {
            row["was_in"] == was_in && row["target"]["mailbox"] == mailbox.name.as_str() && row["lineage"] == "before"
        };
        assert!(rows.iter().any(|row| is_told(&row)), "{} was in {was_in}", mailbox.name);
    }
}
