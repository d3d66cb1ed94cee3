//! What becomes of one account, decided from facts alone: rule by rule, then for any facts.

use crate::support::{BAD, GOOD, NOW, OTHER, address, texts};
use directory::password::usable;
use directory::{Account, AccountId, AccountState, Alias, AliasAddress, Forward, LineageScript, Script, Secret};
use integrate::accounts::{
    AccountLine, AccountStep, Case, Decision, Facts, Kind, Known, MailSeen, MailStep, PasswordOrigin, Settings, decide,
};
use proptest::prelude::*;

const ANA: &str = "ana@example.org";
const MAIL: Option<MailSeen> = Some(MailSeen { messages: 7, last_at: Some(NOW) });

fn nothing() -> Facts {
    Facts {
        address: address(ANA),
        before: None,
        before_maildrops: Vec::new(),
        before_scripts: Vec::new(),
        before_alias: None,
        before_alias_account: None,
        live: None,
        live_scripts: Vec::new(),
        live_forward: None,
        live_alias: None,
        live_alias_account: None,
        known: Known::default(),
    }
}

fn line(hash: &str) -> AccountLine {
    AccountLine {
        address: address(ANA),
        password_hash: Some(hash).filter(|h| !h.is_empty()).map(Secret::new),
        name: None,
        quota_bytes: None,
        disabled: false,
        forwards: Vec::new(),
        language: None,
        home: None,
    }
}

fn account(hash: &str) -> Account {
    Account {
        id: AccountId::new_unchecked(1),
        address: address(ANA),
        name: None,
        password_hash: Some(hash).filter(|h| !h.is_empty()).map(Secret::new),
        state: AccountState::Open,
        quota_bytes: None,
        quota_grace_until: None,
        language: None,
        pop3_before: None,
        created_at: NOW,
        password_set_at: None,
        last_login_at: None,
        restored: None,
    }
}

fn with_mail(facts: Facts) -> Facts {
    Facts { known: Known { before_mail: MAIL, ..facts.known }, ..facts }
}

fn in_both(before: AccountLine, live: Account) -> Facts {
    with_mail(Facts { before: Some(before), live: Some(live), ..nothing() })
}

fn before_only(before: AccountLine) -> Facts {
    with_mail(Facts { before: Some(before), ..nothing() })
}

fn alias(targets: &[&str]) -> Alias {
    Alias { address: AliasAddress::Exact(address(ANA)), targets: texts(targets), enabled: true }
}

fn kinds(decision: &Decision) -> Vec<Kind> {
    decision.conflicts.iter().map(|c| c.kind).collect()
}

fn rules(decision: &Decision) -> Vec<&str> {
    decision.notices.iter().map(|n| n.rule.as_str()).collect()
}

/// The hash and state that an account comes out with.
fn outcome(facts: &Facts, decision: &Decision) -> Option<(Option<String>, AccountState)> {
    let text = |hash: &Option<Secret>| hash.as_ref().map(|h| h.expose().to_owned());
    match &decision.account {
        AccountStep::Create(new) => Some((text(&new.password_hash), new.state)),
        AccountStep::Keep => facts.live.as_ref().map(|a| (text(&a.password_hash), a.state)),
        AccountStep::Change(settings) => facts.live.as_ref().map(|a| {
            let hash = text(&settings.password_hash).or(text(&a.password_hash));
            (hash, settings.state.unwrap_or(a.state))
        }),
    }
}

#[test]
fn rule_7_2_the_password_of_after_else_of_before_else_none() {
    use AccountState::{Closed, Disabled, Locked, Open};
    use PasswordOrigin::{After, Before, None as Nobody};
    let locked = "{SHA512-CRYPT}!$6$salt$x";
    // before, whether it is disabled, after, its state: whose, which, and the state that comes out
    let table = [
        (GOOD, false, OTHER, Open, After, OTHER, Open),
        (GOOD, false, OTHER, Locked, After, OTHER, Locked),
        (GOOD, true, OTHER, Open, After, OTHER, Open),
        (GOOD, false, BAD, Open, Before, GOOD, Open),
        (GOOD, false, locked, Open, Before, GOOD, Open),
        (GOOD, false, "", Locked, Before, GOOD, Open),
        (GOOD, false, "", Disabled, Before, GOOD, Disabled),
        (GOOD, false, BAD, Closed, Before, GOOD, Closed),
        (GOOD, true, "", Locked, Before, GOOD, Disabled),
        (BAD, false, BAD, Open, Nobody, BAD, Locked),
        ("", false, "", Open, Nobody, "", Locked),
        (locked, true, "", Open, Nobody, locked, Locked),
        (BAD, false, "", Disabled, Nobody, BAD, Disabled),
    ];
    for (old, disabled, new, state, origin, hash, comes_out) in table {
        let facts = in_both(AccountLine { disabled, ..line(old) }, Account { state, ..account(new) });
        let decision = decide(&facts);
        assert_eq!(decision.password, origin, "{old} {new} {state:?}");
        let hash = Some(hash.to_owned()).filter(|h| !h.is_empty());
        assert_eq!(outcome(&facts, &decision), Some((hash, comes_out)), "{old} {new} {state:?}");
        assert_eq!(rules(&decision).contains(&"7.2"), origin != After, "all but the plain case is listed");
    }
}

#[test]
fn rule_7_3_in_before_only_everything_comes_back_as_it_was() {
    let before = AccountLine {
        name: Some("Ana García".to_owned()),
        quota_bytes: Some(1 << 30),
        language: Some("es-MX".to_owned()),
        forwards: texts(&["copia@example.net", ANA]),
        ..line(GOOD)
    };
    let decision = decide(&before_only(before));
    assert_eq!((decision.case, decision.mail), (Case::BeforeOnly, MailStep::Join));
    assert_eq!(decision.password, PasswordOrigin::Before);
    let AccountStep::Create(account) = decision.account else { panic!("it comes back") };
    assert_eq!(account.state, AccountState::Open);
    assert_eq!(account.name.as_deref(), Some("Ana García"));
    assert_eq!((account.quota_bytes, account.language.as_deref()), (Some(1 << 30), Some("es-MX")));
    assert_eq!(account.password_hash.unwrap().expose(), GOOD);
    assert_eq!(decision.forward, Some(Forward { targets: texts(&["copia@example.net"]), keep_copy: true }));
    assert_eq!((decision.conflicts, decision.notices), (vec![], vec![]));
}

#[test]
fn rule_7_4_in_after_only_nothing_happens() {
    let decision = decide(&Facts { live: Some(account(GOOD)), ..nothing() });
    assert_eq!((decision.case, decision.mail), (Case::AfterOnly, MailStep::Nothing));
    assert_eq!((decision.account, decision.password), (AccountStep::Keep, PasswordOrigin::After));
}

#[test]
fn rule_7_1_settings_of_after_and_where_it_has_none_of_before() {
    let before = AccountLine {
        name: Some("Ana García".to_owned()),
        language: Some("es".to_owned()),
        forwards: texts(&["copia@example.net"]),
        ..line(GOOD)
    };
    let decision = decide(&in_both(before.clone(), account(OTHER)));
    let expected = Settings { name: before.name.clone(), language: before.language.clone(), ..Settings::default() };
    assert_eq!(decision.account, AccountStep::Change(expected));
    assert_eq!(decision.forward.unwrap().targets, texts(&["copia@example.net"]));

    let live = Account { name: Some("Ana Pérez".to_owned()), language: Some("en".to_owned()), ..account(OTHER) };
    assert_eq!(decide(&in_both(before, live)).account, AccountStep::Keep);
}

#[test]
fn rule_7_5_the_larger_quota() {
    let quota = |before, after| {
        let before = AccountLine { quota_bytes: before, ..line(GOOD) };
        match decide(&in_both(before, Account { quota_bytes: after, ..account(OTHER) })).account {
            AccountStep::Change(settings) => settings.quota_bytes,
            _ => after,
        }
    };
    assert_eq!(quota(Some(2), Some(1)), Some(2));
    assert_eq!(quota(Some(1), Some(2)), Some(2));
    assert_eq!(quota(Some(1), None), Some(1), "where after says none, that of before");
    assert_eq!(quota(None, Some(1)), Some(1));
    assert_eq!(quota(Some(0), Some(1)), Some(1), "zero says none");
    assert_eq!(quota(Some(u64::MAX), None), None, "no disk is as large");
}

#[test]
fn rule_7_8_the_spelling_of_after_stays_and_the_pair_is_listed() {
    let before = AccountLine { address: address("Ana@example.org"), ..line(GOOD) };
    let decision = decide(&in_both(before, account(OTHER)));
    assert_eq!(decision.address.as_str(), ANA);
    assert_eq!(rules(&decision), ["7.8"]);
    assert!(decision.notices[0].text.contains("Ana@example.org"));
}

#[test]
fn rule_7_9_what_is_only_half_there() {
    let orphaned = decide(&with_mail(nothing()));
    assert_eq!((orphaned.case, orphaned.mail), (Case::MaildropWithoutAccount, MailStep::Join));
    assert_eq!((rules(&orphaned), orphaned.password), (vec!["7.9"], PasswordOrigin::None));
    let AccountStep::Create(account) = orphaned.account else { panic!("it comes back") };
    assert_eq!((account.state, account.password_hash), (AccountState::Locked, None));

    let empty = decide(&Facts { before: Some(line(GOOD)), ..nothing() });
    assert_eq!((empty.case, empty.mail), (Case::AccountWithoutMaildrop, MailStep::Nothing));
    assert_eq!((rules(&empty), empty.password), (vec!["7.9"], PasswordOrigin::Before));
    let AccountStep::Create(account) = empty.account else { panic!("it comes back") };
    assert_eq!(account.state, AccountState::Open);
}

#[test]
fn rule_7_9_disabled_before_stays_disabled_with_its_hash() {
    for (hash, origin) in [
        ("{MD5-CRYPT}!$1$32JQlZuX$Ezt", PasswordOrigin::Before),
        (GOOD, PasswordOrigin::Before),
        ("", PasswordOrigin::None),
    ] {
        let facts = before_only(AccountLine { disabled: true, ..line(hash) });
        let decision = decide(&facts);
        let hash = Some(hash.to_owned()).filter(|h| !h.is_empty());
        assert_eq!(outcome(&facts, &decision), Some((hash, AccountState::Disabled)));
        assert_eq!(decision.password, origin);
    }
}

#[test]
fn a_restored_account_without_a_usable_password_is_locked_and_listed() {
    let facts = before_only(line(BAD));
    let decision = decide(&facts);
    assert_eq!(outcome(&facts, &decision), Some((Some(BAD.to_owned()), AccountState::Locked)));
    assert_eq!((rules(&decision), decision.password), (vec!["7.2"], PasswordOrigin::None));
}

#[test]
fn rule_8_1_an_account_where_an_alias_was() {
    let facts = Facts {
        live: Some(account(GOOD)),
        before_alias: Some(texts(&["pepe@example.org"])),
        before_alias_account: Some(address("pepe@example.org")),
        ..nothing()
    };
    let decision = decide(&facts);
    assert_eq!((kinds(&decision), &decision.account), (vec![Kind::AccountAlias], &AccountStep::Keep));
    let words: Vec<_> = decision.conflicts[0].choices.iter().map(|c| c.choice.as_str()).collect();
    assert_eq!(words, ["keep-account", "restore-alias-into-mailbox", "restore-alias-close-account", "both"]);
    let outside = decide(&Facts { before_alias_account: None, ..facts.clone() });
    let words: Vec<_> = outside.conflicts[0].choices.iter().map(|c| c.choice.as_str()).collect();
    assert_eq!(words, ["keep-account", "restore-alias-close-account", "both"], "nobody here could take the mail");
    let itself = decide(&Facts { before_alias: Some(texts(&["ANA@example.org"])), ..facts });
    assert_eq!(kinds(&itself), [], "an alias to itself said nothing");
}

#[test]
fn rule_8_2_an_alias_where_an_account_was() {
    let facts = Facts { live_alias: Some(alias(&["pepe@example.org"])), ..before_only(line(GOOD)) };
    let decision = decide(&facts);
    assert_eq!(kinds(&decision), [Kind::AliasAccount]);
    assert_eq!(outcome(&facts, &decision), Some((Some(GOOD.to_owned()), AccountState::Open)), "it opens meanwhile");
    let too = Facts { live_alias: Some(alias(&["pepe@example.org", ANA])), ..facts.clone() };
    assert_eq!(kinds(&decide(&too)), [], "it delivers to the account too");
    let again = Facts { before_alias: Some(texts(&["pepe@example.org"])), ..facts };
    assert_eq!(kinds(&decide(&again)), [], "aliases of both lineages are compared as aliases (8.3)");
}

#[test]
fn rule_8_5_forwards_that_differ_wait_and_those_that_do_not_pass() {
    let before = || AccountLine { forwards: texts(&["a@example.net", "b@example.net"]), ..line(GOOD) };
    let after = |targets: &[&str], keep_copy| Facts {
        live_forward: Some(Forward { targets: texts(targets), keep_copy }),
        ..in_both(before(), account(OTHER))
    };
    assert_eq!(kinds(&decide(&after(&["B@example.net", "a@example.net"], true))), []);
    for facts in [after(&["c@example.net"], true), after(&["a@example.net", "b@example.net"], false)] {
        let decision = decide(&facts);
        assert_eq!((kinds(&decision), decision.forward), (vec![Kind::Forwarding], None), "after stays in force");
    }
}

#[test]
fn an_alias_that_led_back_to_its_account_was_a_forward() {
    let copied = Some(texts(&[ANA, "copia@example.net"]));
    let decision = decide(&Facts { before_alias: copied, ..in_both(line(GOOD), account(OTHER)) });
    assert_eq!(kinds(&decision), []);
    assert_eq!(decision.forward, Some(Forward { targets: texts(&["copia@example.net"]), keep_copy: true }));
    let diverted = Some(texts(&["pepe@example.org"]));
    let decision = decide(&Facts { before_alias: diverted, ..in_both(line(GOOD), account(OTHER)) });
    assert_eq!(
        (kinds(&decision), decision.forward),
        (vec![Kind::AccountAlias], None),
        "the account must go on receiving"
    );
}

#[test]
fn rule_8_7_two_people_are_not_joined_and_share_no_setting() {
    let named = |name: &str| Some(name.to_owned());
    let before = AccountLine {
        name: named("Laura Ruiz"),
        quota_bytes: Some(9),
        forwards: texts(&["x@example.net"]),
        ..line(GOOD)
    };
    let live = Account { name: named("José Ibáñez"), ..account(BAD) };
    let facts = in_both(before, live);
    let decision = decide(&facts);
    assert_eq!((decision.mail, kinds(&decision)), (MailStep::Seal, vec![Kind::TwoPeople]));
    assert_eq!(decision.account, AccountStep::Keep, "the password of another opens nothing");
    assert_eq!((decision.password, decision.forward), (PasswordOrigin::None, None));

    let said = |two| Facts { known: Known { two_people: Some(two), ..facts.known }, ..facts.clone() };
    assert_eq!(decide(&said(false)).mail, MailStep::Join, "what a person said decides");
    let same = Account { name: named("Ibañez, Jose"), ..account(GOOD) };
    let related = in_both(AccountLine { name: named("José Ibáñez"), ..line(GOOD) }, same);
    assert_eq!(decide(&related).mail, MailStep::Join);
    let declared = Facts { known: Known { two_people: Some(true), ..related.known }, ..related };
    assert_eq!(decide(&declared).mail, MailStep::Seal);
    let nameless = in_both(AccountLine { name: named("Laura"), ..line(GOOD) }, account(GOOD));
    assert_eq!(decide(&nameless).mail, MailStep::Join, "a missing name is no evidence");
}

#[test]
fn rule_8_8_a_script_that_after_replaced_is_kept_and_shown() {
    let before = LineageScript { account_key: ANA.into(), name: "s".into(), content: b"keep;".to_vec(), active: true };
    let live =
        Script { account: AccountId::new_unchecked(1), name: "s".into(), content: b"stop;".to_vec(), active: true };
    let facts = Facts { before_scripts: vec![before], live_scripts: vec![live], ..in_both(line(GOOD), account(GOOD)) };
    let decision = decide(&facts);
    assert_eq!((kinds(&decision), &decision.activate_script), (vec![Kind::Script], &None));
    assert_eq!(decision.scripts[0].name, "s (antes)");
    let evidence = &decision.conflicts[0].evidence;
    assert_eq!(evidence.before.script.as_ref().unwrap().text, "keep;");
    assert_eq!(evidence.after.script.as_ref().unwrap().text, "stop;");
}

// For any facts.

fn hashes() -> impl Strategy<Value = Option<Secret>> {
    let texts = vec![GOOD, OTHER, BAD, "", "!", "{SHA512-CRYPT}!$6$a$b", "{X}y", "$1$TR8QkZ9J$xyz"];
    proptest::option::of(proptest::sample::select(texts).prop_map(Secret::new))
}

fn names() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(
        proptest::sample::select(vec!["Laura Ruiz", "José Ibáñez", "Jose", "", "L."]).prop_map(str::to_owned),
    )
}

fn target_lists() -> impl Strategy<Value = Vec<String>> {
    let all = vec![
        ANA,
        "Ana@Example.org",
        "pepe@example.org",
        "x@example.net",
        "",
        "bad\u{1}",
        "|/bin/x",
        "@example.net",
        "root",
    ];
    proptest::collection::vec(proptest::sample::select(all).prop_map(str::to_owned), 0..4)
}

prop_compose! {
    fn lines()(
        password_hash in hashes(), name in names(), quota_bytes in proptest::option::of(any::<u64>()),
        disabled in any::<bool>(), forwards in target_lists(), language in proptest::option::of("[a-z]{0,3}(-[!A-Z]{0,3})?"),
    ) -> AccountLine {
        AccountLine { address: address("ANA@example.org"), password_hash, name, quota_bytes, disabled, forwards, language, home: None }
    }
}

prop_compose! {
    fn accounts()(
        password_hash in hashes(), name in names(), quota_bytes in proptest::option::of(0..=i64::MAX as u64),
        state in proptest::sample::select(vec![
            AccountState::Open, AccountState::Locked, AccountState::Disabled, AccountState::Closed, AccountState::Sealed,
        ]),
    ) -> Account {
        Account { password_hash, name, quota_bytes, state, ..account("") }
    }
}

prop_compose! {
    fn scripts()(of in proptest::collection::vec(("[ab\u{1}]{0,2}", "[xy]{1}", any::<bool>()), 0..4)) -> Vec<(String, Vec<u8>, bool)> {
        let mut names = std::collections::BTreeSet::new();
        of.into_iter().filter(|(n, ..)| names.insert(n.clone())).map(|(n, c, a)| (n, c.into_bytes(), a)).collect()
    }
}

prop_compose! {
    fn any_facts()(
        before in proptest::option::of(lines()), live in proptest::option::of(accounts()),
        before_mail in any::<bool>(), two_people in proptest::option::of(any::<bool>()),
        before_alias in proptest::option::of(target_lists()), live_alias in proptest::option::of(target_lists()),
        live_forward in proptest::option::of((target_lists(), any::<bool>())),
        old in scripts(), new in scripts(),
    ) -> Facts {
        let has = live.is_some();
        Facts {
            before_scripts: old.into_iter().map(|(name, content, active)| {
                LineageScript { account_key: ANA.into(), name, content, active }
            }).collect(),
            // The directory has one active script at most, and no name with a control character.
            live_scripts: new.into_iter().enumerate().filter(|(_, (n, ..))| has && !n.is_empty() && !n.contains('\u{1}')).map(
                |(at, (name, content, active))| Script { account: AccountId::new_unchecked(1), name, content, active: active && at == 0 }
            ).collect(),
            live_forward: live_forward.filter(|_| has).map(|(targets, keep_copy)| Forward { targets, keep_copy }),
            live_alias: live_alias.map(|targets| Alias { targets, ..alias(&[]) }),
            known: Known { before_mail: MAIL.filter(|_| before_mail), live_mail: None, two_people },
            before, live, before_alias,
            ..nothing()
        }
    }
}

proptest! {
    #[test]
    fn a_usable_password_is_never_lost_and_one_of_after_never_replaced(facts in any_facts()) {
        let decision = decide(&facts);
        let good = |hash: Option<&Secret>| hash.is_some_and(|h| usable(h.expose()).is_ok());
        let (old, new) = (
            facts.before.as_ref().and_then(|l| l.password_hash.clone()),
            facts.live.as_ref().and_then(|a| a.password_hash.clone()),
        );
        let hash = outcome(&facts, &decision).and_then(|(hash, _)| hash);
        let is_sealed = kinds(&decision).contains(&Kind::TwoPeople);
        if good(new.as_ref()) || is_sealed {
            prop_assert_eq!(hash, new.as_ref().map(|h| h.expose().to_owned()));
            prop_assert_eq!(decision.password == PasswordOrigin::After, good(new.as_ref()));
        } else if good(old.as_ref()) {
            prop_assert_eq!(hash, old.map(|h| h.expose().to_owned()));
            prop_assert_eq!(decision.password, PasswordOrigin::Before);
        } else if facts.live.is_some() || facts.before.is_some() {
            let (_, state) = outcome(&facts, &decision).unwrap();
            let untouched = facts.live.is_some() && !facts.before_has_account();
            prop_assert!(untouched || state != AccountState::Open, "nobody could sign in");
        }
    }

    #[test]
    fn an_account_in_after_only_comes_out_as_it_was(facts in any_facts()) {
        let facts = Facts { before: None, known: Known::default(), ..facts };
        prop_assume!(facts.live.is_some());
        let facts = Facts { before_scripts: Vec::new(), ..facts };
        let decision = decide(&facts);
        prop_assert_eq!(decision.account, AccountStep::Keep);
        prop_assert_eq!((decision.forward, decision.scripts, decision.activate_script), (None, vec![], None));
        prop_assert_eq!(decision.mail, MailStep::Nothing);
    }

    #[test]
    fn whoever_could_sign_in_and_receive_still_can(facts in any_facts()) {
        let decision = decide(&facts);
        let opened = facts.live.as_ref().is_some_and(|a| {
            a.state == AccountState::Open && a.password_hash.as_ref().is_some_and(|h| usable(h.expose()).is_ok())
        });
        if opened {
            prop_assert_eq!(outcome(&facts, &decision).unwrap().1, AccountState::Open);
        }
        prop_assert!(decision.forward.is_none_or(|f| f.keep_copy && !f.targets.is_empty()), "mail still arrives");
    }

    #[test]
    fn nothing_of_before_disappears(facts in any_facts()) {
        let decision = decide(&facts);
        prop_assert_eq!(decision.mail != MailStep::Nothing, facts.before_has_maildrop());
        if facts.before_has_account() && decision.mail != MailStep::Seal && !kinds(&decision).contains(&Kind::TwoPeople) {
            for script in &facts.before_scripts {
                let kept = decision.scripts.iter().any(|s| s.content == script.content)
                    || facts.live_scripts.iter().any(|s| s.content == script.content);
                prop_assert!(kept);
            }
        }
        let names: Vec<_> = decision.scripts.iter().map(|s| &s.name).chain(facts.live_scripts.iter().map(|s| &s.name)).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        prop_assert_eq!(names.len(), distinct.len());
    }
}
