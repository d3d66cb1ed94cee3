//! The JSON of a report: its names are stable, its numbers add up, and one domain's report holds nothing of another.
#![allow(clippy::unwrap_used)]

mod report_sample;

use integrate::report::{
    Case, ConflictKind, DamageReason, Grade, Language, PasswordOrigin, Report, Totals, VerdictWord, sentence,
};
use report_sample::{account, report};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every name of a report, as `docs/formats/report.md` lists them. A change here is a change of the format.
const NAMES: &str = "\
adding_up adding_up.difference adding_up.expected adding_up.holds \
conflicts[] conflicts[].address conflicts[].choices[] conflicts[].choices[].code conflicts[].choices[].effect_en \
conflicts[].choices[].effect_es conflicts[].choices[].recommended \
conflicts[].domain conflicts[].evidence[] conflicts[].evidence[].after conflicts[].evidence[].after.text \
conflicts[].evidence[].before conflicts[].evidence[].before.count conflicts[].evidence[].before.flag conflicts[].evidence[].before.text \
conflicts[].evidence[].before.time conflicts[].evidence[].fact conflicts[].kind conflicts[].number conflicts[].state \
conflicts[].state.at conflicts[].state.by conflicts[].state.choice conflicts[].state.state \
damage[] damage[].account damage[].damaged damage[].domain damage[].lineage damage[].mailbox damage[].outcome \
damage[].path damage[].reason damage[].reason.code damage[].reason.detail \
domain \
domains[] domains[].accounts[] domains[].accounts[].adding_up domains[].accounts[].address domains[].accounts[].case \
domains[].accounts[].mailboxes[] domains[].accounts[].mailboxes[].after domains[].accounts[].mailboxes[].before \
domains[].accounts[].mailboxes[].both domains[].accounts[].mailboxes[].name \
domains[].accounts[].mailboxes[].name_before domains[].accounts[].mailboxes[].result \
domains[].accounts[].mailboxes[].uid domains[].accounts[].notices[] domains[].accounts[].notices[].count \
domains[].accounts[].notices[].detail domains[].accounts[].notices[].kind domains[].accounts[].notices[].rule \
domains[].accounts[].open_decisions domains[].accounts[].over_quota domains[].accounts[].password \
domains[].accounts[].totals domains[].accounts[].what_happened domains[].accounts[].what_happened.en \
domains[].accounts[].what_happened.es domains[].adding_up domains[].grade domains[].name domains[].totals \
integration integration.after_from integration.applied integration.before_until integration.id integration.label \
integration.policy integration.sources[] integration.sources[].description integration.sources[].lineage \
integration.started integration.state integration.time_zone integration.tool_version integration.verified \
ledger ledger.head ledger.public_key ledger.rows \
near_twins[] \
notices[] notices[].count notices[].detail notices[].kind notices[].rule \
reintegra_report \
same_message_id[] same_message_id[].address same_message_id[].differs[] same_message_id[].domain \
same_message_id[].first same_message_id[].first.digest same_message_id[].first.lineage \
same_message_id[].first.mailbox same_message_id[].first.size_bytes same_message_id[].first.uid \
same_message_id[].message_id same_message_id[].second same_message_id[].subject \
totals totals.added totals.after totals.before totals.damaged totals.damaged_replaced totals.deleted totals.in_both \
totals.listed_no_file totals.missing totals.near_twin_pairs totals.not_a_message totals.result \
totals.same_message_id_pairs totals.sealed totals.unattributed totals.unfinished totals.unreadable \
verdict verdict.reasons[] verdict.reasons[].count verdict.reasons[].kind verdict.word";

#[test]
fn the_names_are_those_of_the_format() {
    let mut names = BTreeSet::new();
    collect_names(&serde_json::to_value(report()).unwrap(), String::new(), &mut names);
    let expected: BTreeSet<String> = NAMES.split(' ').map(str::to_owned).collect();
    assert_eq!(names.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "names not in the format");
    assert_eq!(expected.difference(&names).collect::<Vec<_>>(), Vec::<&String>::new(), "names that went missing");
}

#[test]
fn a_report_reads_back_as_it_was() {
    for report in [report(), report().for_domain("ejemplo.mx").unwrap()] {
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}

#[test]
fn every_name_is_there_when_there_is_nothing_to_say() {
    let mut empty = report();
    empty.ledger = None;
    empty.integration.applied = None;
    let full: Value = serde_json::to_value(report()).unwrap();
    let empty: Value = serde_json::to_value(empty).unwrap();
    assert!(empty["ledger"].is_null() && empty["integration"]["applied"].is_null());
    assert_eq!(keys(&full), keys(&empty));
    assert_eq!(keys(&full["integration"]), keys(&empty["integration"]));
}

#[test]
fn a_kind_of_decision_has_the_word_of_the_command_line() {
    let words = [
        (ConflictKind::AccountAlias, "account-alias"),
        (ConflictKind::AliasAccount, "alias-account"),
        (ConflictKind::AliasAlias, "alias-alias"),
        (ConflictKind::CatchAll, "catch-all"),
        (ConflictKind::Forwarding, "forwarding"),
        (ConflictKind::DomainOwner, "domain-owner"),
        (ConflictKind::TwoPeople, "two-people"),
        (ConflictKind::Sieve, "script"),
        (ConflictKind::AliasLoop, "alias-loop"),
    ];
    for (kind, word) in words {
        assert_eq!(serde_json::to_value(kind).unwrap(), word);
    }
}

#[test]
fn enumerations_and_times_are_written_as_the_format_says() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["reintegra_report"], 1);
    assert_eq!(json["integration"]["started"], "2026-11-29T08:00:00Z");
    assert_eq!(json["integration"]["state"], "verified");
    assert_eq!(json["verdict"]["word"], "incomplete");
    assert_eq!(json["domains"][0]["grade"], "look");
    assert_eq!(json["domains"][0]["accounts"][3]["case"], "maildrop_without_account");
    assert_eq!(json["domains"][0]["accounts"][3]["password"], "none");
    assert_eq!(json["conflicts"][1]["kind"], "two-people");
    assert_eq!(json["conflicts"][1]["choices"][2]["code"], "another-address:ADDRESS");
    assert_eq!(json["conflicts"][1]["state"]["state"], "open");
    assert_eq!(json["conflicts"][3]["state"]["choice"], "both");
    assert_eq!(json["damage"][0]["reason"]["code"], "empty");
    assert_eq!(json["damage"][1]["reason"]["detail"], "Permission denied (os error 13)");
}

#[test]
fn the_numbers_of_every_part_add_up_to_the_whole() {
    let report = report();
    let mut sum = Totals { before: 3, unattributed: 3, ..Totals::default() };
    for domain in &report.domains {
        let mut of_domain = Totals::default();
        for account in &domain.accounts {
            assert!(account.totals.adding_up().holds, "{}", account.address);
            of_domain += account.totals;
        }
        assert_eq!(of_domain, domain.totals);
        assert!(domain.totals.adding_up().holds, "{}", domain.name);
        sum += of_domain;
    }
    assert_eq!(sum, report.totals);
    assert!(report.totals.adding_up().holds);

    let mut lossy = report;
    lossy.totals.result -= 2;
    let json = serde_json::to_value(&lossy).unwrap();
    assert_eq!(json["adding_up"]["difference"], -2);
    assert_eq!(json["adding_up"]["holds"], false);
}

#[test]
fn the_report_of_a_domain_holds_nothing_of_another_nor_of_the_operator() {
    let whole = report();
    assert!(whole.for_domain("nowhere.example").is_none());
    for domain in ["ejemplo.mx", "tienda.example", "taller.example"] {
        let part = whole.for_domain(domain).unwrap();
        let json = serde_json::to_string(&part).unwrap();
        for other in ["ejemplo.mx", "tienda.example", "taller.example"].iter().filter(|other| **other != domain) {
            assert!(!json.contains(other), "{domain} sees {other}");
        }
        for operators in ["/srv/recovered", "Grupo Secreto", "lost+found", "Regreso del correo", "etc/dovecot"] {
            assert!(!json.contains(operators), "{domain} sees {operators}");
        }
        assert_eq!(part.domains.len(), 1);
        assert_eq!(part.totals, part.domains[0].totals);
    }
    let taller = whole.for_domain("taller.example").unwrap();
    assert_eq!(taller.verdict.word, VerdictWord::Complete, "what others lack is no matter of this domain");
    assert_eq!(taller.domains[0].grade, Grade::Perfect);
    assert_eq!(whole.for_domain("tienda.example").unwrap().domains[0].grade, Grade::Good);
}

#[test]
fn the_sentence_says_what_happened_in_both_languages() {
    let said = |account: &integrate::report::AccountReport| {
        [sentence(account, Language::Spanish), sentence(account, Language::English)]
    };
    let mut both = account("a@example.org", Case::Both, 12_480, 342, 32);
    assert_eq!(
        said(&both),
        [
            "Reunimos 12,480 mensajes de antes y 342 nuevos; 32 estaban en ambos: hay 12,790 en total. La contraseña \
             no cambió.",
            "We joined 12,480 earlier messages and 342 new; 32 were in both: 12,790 in all. The password did not \
             change.",
        ]
    );
    both.totals.unreadable = 3;
    both.open_decisions = 2;
    assert_eq!(
        said(&both)[0],
        "Reunimos 12,480 mensajes de antes y 342 nuevos; 32 estaban en ambos: hay 12,790 en total. La contraseña no \
         cambió. 3 no se pudieron leer. Faltan 2 decisiones."
    );

    let mut restored = account("a@example.org", Case::BeforeOnly, 1_000_000, 0, 0);
    restored.password = PasswordOrigin::Before;
    assert_eq!(
        said(&restored),
        [
            "Recuperamos 1,000,000 de mensajes de antes; después no llegó ninguno. Volvió la contraseña de antes.",
            "We got back 1,000,000 earlier messages; none has arrived since. The earlier password is back.",
        ]
    );

    let mut orphan = account("a@example.org", Case::MaildropWithoutAccount, 1, 0, 0);
    orphan.password = PasswordOrigin::None;
    assert_eq!(
        said(&orphan)[0],
        "Recuperamos el único mensaje de antes; después no llegó ninguno. No tenía cuenta: quedó cerrada hasta que le \
         pongan contraseña."
    );
    assert_eq!(
        said(&account("a@example.org", Case::AfterOnly, 0, 64, 0))[0],
        "No había correo de antes; hay 64 mensajes nuevos y siguen aquí. La contraseña no cambió."
    );
    assert_eq!(
        said(&account("a@example.org", Case::AccountWithoutMaildrop, 0, 0, 0))[1],
        "The account had no messages, neither before nor since. The password did not change."
    );

    let mut sealed = account("a@example.org", Case::Both, 930, 118, 0);
    (sealed.totals.sealed, sealed.totals.result) = (930, 118);
    assert_eq!(
        said(&sealed)[0],
        "El correo de antes (930 mensajes) está sellado: parece de otra persona. Hay 118 mensajes nuevos. La \
         contraseña no cambió."
    );
}

#[test]
fn the_sentence_never_hides_a_loss_and_is_never_too_long() {
    for size in [0, 1, 2, 999, 45_678, 1_000_000, 4_999_999] {
        for bits in 0..256_u32 {
            let on = |bit: u32, value| if bits >> bit & 1 == 1 { value } else { 0 };
            let mut account = account("a@example.org", Case::Both, on(0, size), on(1, size), on(0, on(1, size / 3)));
            account.totals.missing = on(2, size);
            account.totals.unreadable = on(3, size);
            account.totals.damaged = on(4, size);
            account.totals.damaged_replaced = on(0, on(5, size / 4));
            account.totals.result -= account.totals.damaged_replaced;
            account.over_quota = bits >> 6 & 1 == 1;
            account.open_decisions = on(7, size);
            account.password = PasswordOrigin::None;
            for language in [Language::Spanish, Language::English] {
                let text = sentence(&account, language);
                assert!(text.chars().count() <= 200, "{} characters: {text}", text.chars().count());
                let loss = if language == Language::Spanish { "se podía" } else { "could be read" };
                assert_eq!(text.contains(loss), account.totals.missing > 0, "{text}");
                assert!(text.ends_with('.') && !text.contains("  "), "{text}");
            }
        }
    }
}

#[test]
fn reasons_of_damage_keep_their_words() {
    let reason = DamageReason::Other("a reason \u{202e} of a stranger".to_owned());
    assert_eq!(serde_json::to_value(reason).unwrap()["detail"], "a reason \u{202e} of a stranger");
}

/// The names of all members, with their way from the top; what repeats another place is not followed: totals and sums
/// are the same everywhere, twins are pairs like the others.
fn collect_names(value: &Value, way: String, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
                if !member.is_array() {
                    names.insert(way.clone());
                }
                let known = way == "integration.policy"
                    || way.starts_with("domains[]") && matches!(name.as_str(), "totals" | "adding_up")
                    || way == "same_message_id[].second";
                if !known {
                    collect_names(member, way, names);
                }
            }
        }
        Value::Array(items) => {
            let way = format!("{way}[]");
            names.insert(way.clone());
            if way != "near_twins[]" {
                items.iter().for_each(|item| collect_names(item, way.clone(), names));
            }
        }
        _ => {}
    }
}

fn keys(value: &Value) -> BTreeSet<&String> {
    value.as_object().unwrap().keys().collect()
}
