//! Settling accounts in the directory, and taking that back.

use crate::support::{BAD, Files, GOOD, NOW, OTHER, World, address, hash_of, open, scan, texts};
use directory::{AccountState, DirectoryError, Forward, Secret};
use integrate::accounts::{self, AccountDetail, Case, MailStep, PasswordOrigin};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

const ANA: &str = "ana@example.org";

/// Ana in both lineages, with something of everything.
fn ana_in_both() -> World {
    let world = World::new();
    world.stage(Files::default().domain("example.org", None, false).account(ANA, GOOD, |a| {
        a.name = Some("Ana García".to_owned());
        a.quota_bytes = Some(1 << 30);
        a.forwards = vec![address("copia@example.net")];
        a.language = Some("es".to_owned());
    }));
    world.maildrop(ANA, &scan(None, &[("roundcube", "keep;", true)]));
    world.has(ANA, BAD, |a| a.quota_bytes = Some(1 << 20));
    world
}

#[test]
fn an_account_of_before_comes_back_with_its_domain() {
    let world = World::new();
    world.stage(Files::default().domain("example.org", Some("Luna"), true).account("Ana@example.org", GOOD, |a| {
        a.forwards = vec![address("copia@example.net")];
    }));
    world.maildrop("Ana@example.org", &scan(None, &[("s", "keep;", true)]));
    let settled = world.settle(ANA);
    assert!(!settled.already && settled.detail.created);
    assert_eq!(settled.detail.case, Case::BeforeOnly);
    let account = world.account(ANA);
    assert_eq!((account.address.as_str(), hash_of(&account)), ("Ana@example.org", Some(GOOD)));
    assert!(open(&account) && account.restored == Some(world.integration));
    let domain = world.directory().domain("example.org").unwrap().unwrap();
    assert!(domain.disabled, "as it was");
    assert_eq!(world.directory().customer(domain.customer_id.unwrap()).unwrap().unwrap().name, "Luna");
    assert_eq!(world.directory().active_script(account.id).unwrap().unwrap().name, "s");
    world.check();
}

#[test]
fn settling_again_does_nothing_even_after_people_went_on() {
    let world = ana_in_both();
    let first = world.settle(ANA);
    let hash = Secret::new(OTHER);
    let id = world.account(ANA).id;
    world.write(|tx| tx.set_password(id, &hash));
    let live = world.live();
    let second = world.settle(ANA);
    assert!(second.already);
    assert_eq!((second.detail, world.live()), (first.detail, live));
    world.check();
}

#[test]
fn a_row_tells_the_report_and_keeps_what_others_write_beside_it() {
    let world = ana_in_both();
    world.settle(ANA);
    world.write(|tx| {
        let mut row = tx.account_apply(world.integration, ANA)?.unwrap();
        let mut detail = AccountDetail::of(&row)?;
        detail.more.insert("mail_counts".to_owned(), serde_json::json!({ "before": 3 }));
        row.detail = serde_json::to_string(&detail).unwrap();
        tx.put_account_apply(&row)
    });
    world.write(|tx| accounts::quota_after(tx, world.integration, &address(ANA), 5 << 30));
    let row = world.directory().account_apply(world.integration, ANA).unwrap().unwrap();
    let detail = AccountDetail::of(&row).unwrap();
    assert_eq!((row.state.as_str(), detail.case, detail.mail), ("applied", Case::Both, MailStep::Join));
    assert_eq!((detail.password, detail.state.as_str()), (PasswordOrigin::Before, "open"));
    assert_eq!(detail.more["mail_counts"]["before"], 3);
}

#[test]
fn taking_back_puts_everything_as_it_was() {
    let world = ana_in_both();
    let before = world.live();
    world.settle(ANA);
    assert_ne!(world.live(), before);
    world.write(|tx| accounts::quota_after(tx, world.integration, &address(ANA), 5 << 30));
    let undone = world.undo(ANA, false);
    assert_eq!((undone.already, undone.kept), (false, vec![]));
    assert_eq!(world.live(), before);
    assert!(world.undo(ANA, false).already);
    world.check();
}

#[test]
fn applying_again_after_an_undo_gives_the_same() {
    let world = ana_in_both();
    let first = world.settle(ANA);
    let live = world.live();
    world.undo(ANA, false);
    let second = world.settle(ANA);
    assert!(!second.already);
    assert_eq!((second.detail, world.live()), (first.detail, live));
    world.check();
}

#[test]
fn a_password_that_was_set_since_stays_and_so_does_the_open_door() {
    let world = World::new();
    world.had(ANA, GOOD, |_| {});
    world.has(ANA, "", |a| a.state = AccountState::Locked);
    world.settle(ANA);
    assert!(open(&world.account(ANA)), "with the password of before");
    let id = world.account(ANA).id;
    world.write(|tx| tx.set_password(id, &Secret::new(OTHER)));
    let undone = world.undo(ANA, false);
    let account = world.account(ANA);
    assert_eq!((hash_of(&account), account.state), (Some(OTHER), AccountState::Open));
    assert_eq!(undone.kept.len(), 1);
    world.check();
}

#[test]
fn a_stronger_hash_of_the_same_password_is_no_new_password() {
    let world = World::new();
    world.had(ANA, GOOD, |_| {});
    world.has(ANA, BAD, |_| {});
    let before = world.live();
    world.settle(ANA);
    let signed_in = world.directory().sign_in(ANA, b"sol1234").unwrap();
    assert!(matches!(signed_in, directory::SignIn::Welcome { .. }));
    assert_ne!(hash_of(&world.account(ANA)), Some(GOOD), "it was hashed anew");
    world.undo(ANA, false);
    let mut account = world.account(ANA);
    account.last_login_at = None;
    world.write(|tx| tx.update_account(&account));
    assert_eq!(world.live(), before);
}

#[test]
fn what_an_admin_changed_since_stays_field_by_field() {
    let world = ana_in_both();
    world.settle(ANA);
    let mut account = world.account(ANA);
    account.quota_bytes = Some(7 << 30);
    account.state = AccountState::Disabled;
    let mine = Forward { targets: texts(&["nueva@example.net"]), keep_copy: false };
    world.write(|tx| {
        tx.update_account(&account)?;
        tx.put_forward(account.id, &mine)?;
        tx.put_script(account.id, "roundcube", b"stop;")
    });
    let undone = world.undo(ANA, false);
    let there = world.account(ANA);
    assert_eq!((there.quota_bytes, there.state), (Some(7 << 30), AccountState::Disabled));
    assert_eq!((there.name.as_deref(), hash_of(&there)), (None, Some(BAD)), "the rest is as it was");
    assert_eq!(world.directory().forward(there.id).unwrap(), Some(mine));
    assert_eq!(world.directory().scripts(there.id).unwrap().len(), 1);
    assert_eq!(undone.kept.len(), 2, "{:?}", undone.kept);
    world.check();
}

#[test]
fn a_restored_account_goes_only_when_its_mail_is_gone() {
    for gone in [true, false] {
        let world = World::new();
        world.had(ANA, GOOD, |a| a.forwards = vec![address("copia@example.net")]);
        world.settle(ANA);
        let live = world.live();
        let undone = world.undo(ANA, gone);
        assert_eq!(world.live() == live, !gone, "an account that stays keeps its forward too");
        assert_eq!(world.directory().account(&address(ANA)).unwrap().is_none(), gone);
        assert_eq!(undone.kept.is_empty(), gone);
        if gone {
            world.undo_shared();
            assert!(world.directory().domain("example.org").unwrap().is_none(), "nothing is in it any more");
        }
        world.check();
    }
}

#[test]
fn an_account_that_a_domain_admin_signs_in_with_stays() {
    let world = World::new();
    world.had(ANA, GOOD, |_| {});
    world.settle(ANA);
    let credential = directory::AdminCredential::Account(world.account(ANA).id);
    let domains = texts(&["example.org"]);
    let admin = directory::NewAdmin { login: address(ANA), credential, domains, password_set_at: None };
    world.write(|tx| tx.add_admin(&admin).map(|_| ()));
    assert_eq!(world.undo(ANA, true).kept.len(), 1);
    assert!(open(&world.account(ANA)));
    world.check();
}

#[test]
fn what_is_confirmed_cannot_be_taken_back() {
    let world = ana_in_both();
    world.settle(ANA);
    world.write(|tx| tx.forget_undo(world.integration));
    let result = world.directory().write(|tx| accounts::undo_account(tx, world.integration, ANA, &|_| true));
    assert!(matches!(result, Err(DirectoryError::Invalid { .. })), "{result:?}");
    assert!(world.settle(ANA).already);
}

#[test]
fn rule_7_5_an_account_over_its_quota_gets_a_time_of_grace() {
    let world = ana_in_both();
    world.settle(ANA);
    let after = |used| world.write(|tx| accounts::quota_after(tx, world.integration, &address(ANA), used));
    assert_eq!(after(1 << 20), None);
    let over = after(2 << 30).unwrap();
    assert_eq!((over.quota_bytes, over.grace_until), (1 << 30, NOW + 30 * 86_400));
    assert_eq!(world.account(ANA).quota_grace_until, Some(over.grace_until));
    assert_eq!(after(3 << 30), Some(over), "said once");
    let row = world.directory().account_apply(world.integration, ANA).unwrap().unwrap();
    let detail = AccountDetail::of(&row).unwrap();
    assert_eq!(detail.notices.iter().filter(|n| n.rule == "7.5").count(), 1);
    let unknown =
        world.directory().write(|tx| accounts::quota_after(tx, world.integration, &address("x@y.example"), 1));
    assert!(unknown.is_err(), "it was not settled");
    world.check();
}

#[test]
fn the_order_of_accounts_makes_no_difference() {
    let lay = || {
        let world = World::new();
        world.stage(
            Files::default()
                .domain("example.org", None, false)
                .account(ANA, GOOD, |_| {})
                .account("pepe@example.org", GOOD, |_| {})
                .alias("ana@example.org", &["pepe@example.org"])
                .alias("info@example.org", &["pepe@example.org"]),
        );
        world.maildrop(ANA, &scan(None, &[]));
        world.maildrop("pepe@example.org", &scan(None, &[]));
        world.has("maria@example.org", GOOD, |_| {});
        world
    };
    let (one, two) = (lay(), lay());
    one.settle_shared();
    let _ = [ANA, "pepe@example.org", "maria@example.org"].map(|a| one.settle(a));
    let _ = ["maria@example.org", "pepe@example.org", ANA].map(|a| two.settle(a));
    two.settle_shared();
    assert_eq!(one.conflict_words(), two.conflict_words());
    assert_eq!(one.targets(ANA), Some(texts(&["pepe@example.org"])));
    // Numbers aside, which say who came first.
    let sorted = |world: &World| {
        let (mut accounts, directory) = (Vec::new(), world.directory());
        directory
            .for_each_account(|a| {
                accounts.push((a.address.to_string(), a.state.as_str(), a.restored));
                Ok(())
            })
            .unwrap();
        directory
            .for_each_alias(|a| {
                accounts.push((a.address.key(), "alias", None));
                Ok(())
            })
            .unwrap();
        accounts
    };
    assert_eq!(sorted(&one), sorted(&two));
    one.check();
    two.check();
}

/// Hash, name, whether it is disabled, forwards and quota of an account line.
type Line = (&'static str, Option<&'static str>, bool, Vec<&'static str>, Option<u64>);

/// An account as both lineages may have it.
#[derive(Clone, Debug)]
struct Layout {
    before: Option<Line>,
    maildrop: Option<Vec<(&'static str, &'static str, bool)>>,
    live: Option<(&'static str, Option<&'static str>, AccountState, Option<u64>)>,
    live_forward: Option<&'static str>,
    live_script: Option<(&'static str, bool)>,
}

fn layouts() -> impl Strategy<Value = Layout> {
    let hashes = || select(vec![GOOD, OTHER, BAD, ""]);
    let names = || select(vec![None, Some("Laura Ruiz"), Some("José Ibáñez"), Some("Jose")]);
    let quotas = || select(vec![None, Some(0), Some(1 << 20), Some(1 << 40), Some(u64::MAX)]);
    let forwards = || select(vec![vec![], vec!["x@example.net"], vec!["x@example.net", "y@example.net"]]);
    let scripts = select(vec![vec![], vec![("s", "keep;", true)], vec![("s", "stop;", false), ("t", "keep;", true)]]);
    let states = select(vec![AccountState::Open, AccountState::Locked, AccountState::Disabled, AccountState::Closed]);
    let live = (hashes(), names(), states, select(vec![None, Some(1 << 20), Some(1 << 30)]));
    let before = option::of((hashes(), names(), any::<bool>(), forwards(), quotas()));
    let live_forward = option::of(select(vec!["x@example.net", "z@example.net"]));
    let live_script = option::of((select(vec!["keep;", "stop;", "other;"]), any::<bool>()));
    (before, option::of(scripts), option::of(live), live_forward, live_script).prop_map(
        |(before, maildrop, live, live_forward, live_script)| Layout {
            before,
            maildrop,
            live,
            live_forward,
            live_script,
        },
    )
}

impl Layout {
    fn lay(&self, world: &World, text: &str) {
        let mut files = Files::default();
        if let Some((hash, name, disabled, forwards, quota)) = &self.before {
            files = files.account(text, hash, |a| {
                a.name = name.map(str::to_owned);
                a.disabled = *disabled;
                a.forwards = forwards.iter().map(|f| address(f)).collect();
                a.quota_bytes = *quota;
            });
        }
        world.stage(files);
        if let Some(scripts) = &self.maildrop {
            world.maildrop(text, &scan(None, scripts));
        }
        let Some((hash, name, state, quota)) = &self.live else { return };
        let id = world
            .has(text, hash, |a| {
                a.name = name.map(str::to_owned);
                a.state = *state;
                a.quota_bytes = *quota;
            })
            .id;
        world.write(|tx| {
            if let Some(target) = self.live_forward {
                tx.put_forward(id, &Forward { targets: texts(&[target]), keep_copy: true })?;
            }
            if let Some((text, active)) = self.live_script {
                tx.put_script(id, "s", text.as_bytes())?;
                tx.activate_script(id, active.then_some("s"))?;
            }
            Ok(())
        });
    }
}

#[test]
fn for_any_account_taking_back_is_exact_and_applying_again_gives_the_same() {
    let world = World::new();
    world.hosts("example.org");
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let result = runner.run(&layouts(), |layout| {
        number.set(number.get() + 1);
        let text = format!("a{}@example.org", number.get());
        layout.lay(&world, &text);
        let before = world.live();
        world.settle(&text);
        let after = world.live();
        prop_assert!(world.settle(&text).already);
        prop_assert_eq!(&world.live(), &after);
        let undone = world.undo(&text, true);
        prop_assert_eq!(undone.kept, vec![]);
        prop_assert_eq!(&world.live(), &before);
        prop_assert_eq!(world.conflicts(), vec![]);
        let created = world.settle(&text).detail.created;
        // A restored account has a new number the second time.
        prop_assert_eq!(world.live() == after, !created);
        world.undo(&text, true);
        prop_assert_eq!(&world.live(), &before);
        Ok(())
    });
    result.unwrap();
    world.check();
}
