//! Conflicts decided in the way an admin decides them, each way, with the mail that moves (`RULES.md` 8), taken back,
//! and the integration closed; and the integrated state rebuilt from the segments alone.
#![allow(clippy::unwrap_used)]

mod support_flow;

use directory::{ConflictNumber, IntegrationId, Refusal};
use integrate::accounts::{ConflictRow, ResolveError, list_conflicts, resolve};
use integrate::plan::Policy;
use integrate::report::ReasonKind;
use integrate::{Mover, Platform, Selection, Silent};
use std::collections::BTreeSet;
use store::{LineageId, OpenOptions, Store};
use support_flow::shown::{self, account, all_digests, everything, lineage_account, mailbox, placed_digests, signs_in};
use support_flow::{Bench, apply, check, import, ledger, stage, verify};

const ANA: &str = "ana@panaderia.example";
const ANTONIO: &str = "antonio@panaderia.example";
const JOSE: &str = "jose@panaderia.example";
const MARIA: &str = "maria@panaderia.example";

struct Flow {
    bench: Bench,
    platform: Platform,
    id: IntegrationId,
}

impl Flow {
    /// The sample, integrated and verified.
    fn new() -> Flow {
        let bench = Bench::of_sample();
        let platform = bench.init(4);
        let id = bench.integrate(&platform).id;
        Flow { bench, platform, id }
    }

    /// The sample with two people at sam's address: in *after* the account has another name.
    fn of_two_people() -> Flow {
        let bench = Bench::of_sample();
        let users = bench.after().join("etc/dovecot/users");
        let text = std::fs::read_to_string(&users).unwrap();
        std::fs::write(&users, text.replace("Sam Carter", "Samantha Wood")).unwrap();
        let platform = bench.init(4);
        let id = bench.integrate(&platform).id;
        Flow { bench, platform, id }
    }

    fn conflict(&self, kind: &str) -> ConflictRow {
        let rows = list_conflicts(&self.platform.directory, Some(self.id)).unwrap();
        rows.into_iter().find(|row| row.kind == kind).unwrap_or_else(|| panic!("there is no conflict {kind}"))
    }

    /// Chooses as the domain's admin; choosing the same again changes nothing.
    fn choose(&self, kind: &str, choice: &str) {
        let number = ConflictNumber::new_unchecked(self.conflict(kind).number);
        let once = resolve(&self.platform, number, choice, "admin@panaderia.example", &Mover(&self.platform)).unwrap();
        assert!(!once.already, "{kind} {choice}");
        assert_eq!(self.conflict(kind).state, "decided");
        assert_eq!(self.conflict(kind).choice.as_deref(), Some(choice));
        let became = everything(&self.platform);
        let again = resolve(&self.platform, number, choice, "admin@panaderia.example", &Mover(&self.platform)).unwrap();
        assert!(again.already, "{kind} {choice}");
        assert_eq!(everything(&self.platform), became, "{kind} {choice}: chosen twice");
    }

    fn refuses(&self, kind: &str, choice: &str) -> ResolveError {
        let number = ConflictNumber::new_unchecked(self.conflict(kind).number);
        resolve(&self.platform, number, choice, "admin@panaderia.example", &Mover(&self.platform)).unwrap_err()
    }

    /// Targets of an alias that is in force.
    fn targets(&self, address: &str) -> Option<Vec<String>> {
        let alias = shown::aliases(&self.platform).remove(address);
        alias.filter(|(_, enabled)| *enabled).map(|(targets, _)| targets)
    }

    fn forwards_to(&self, address: &str) -> Option<(Vec<String>, bool)> {
        let account = self.platform.directory.account(&shown::address(address)).unwrap().unwrap();
        self.platform.directory.forward(account.id).unwrap().map(|f| (f.targets, f.keep_copy))
    }

    fn state(&self, address: &str) -> &'static str {
        self.platform.directory.account(&shown::address(address)).unwrap().unwrap().state.as_str()
    }

    /// Nothing is wrong with any of it, and it is proven still.
    fn holds(&self) {
        verify(&self.platform, self.id);
        check(&self.platform);
    }
}

#[test]
fn rule_8_1_the_account_stays() {
    let flow = Flow::new();
    let was = everything(&flow.platform);
    flow.choose("account-alias", "keep-account");
    everything(&flow.platform).must_be(&was, "it changed");
    flow.holds();
}

#[test]
fn rule_8_1_the_alias_comes_back_and_the_mail_goes_into_a_mailbox_of_its_target() {
    let flow = Flow::new();
    let hers = account(&flow.platform, MARIA);
    flow.choose("account-alias", "restore-alias-into-mailbox");
    assert_eq!(flow.targets(MARIA), Some(vec![ANA.to_owned()]));
    assert_eq!(flow.state(MARIA), "closed");
    assert_eq!(signs_in(&flow.platform, MARIA, "maria-nueva"), Err(Refusal::Closed));
    let given = mailbox(&flow.platform, ANA, MARIA);
    let digests =
        |mailboxes: &[shown::Shown]| placed_digests(mailboxes).into_iter().map(|(_, d)| d).collect::<Vec<_>>();
    assert_eq!(digests(&[given]), digests(&hers));
    assert_eq!(account(&flow.platform, MARIA), hers, "her account keeps its mail, closed");
    flow.holds();
}

#[test]
fn rule_8_1_the_alias_comes_back_and_the_account_is_closed() {
    let flow = Flow::new();
    let was = everything(&flow.platform).mail;
    flow.choose("account-alias", "restore-alias-close-account");
    assert_eq!((flow.targets(MARIA), flow.state(MARIA)), (Some(vec![ANA.to_owned()]), "closed"));
    assert_eq!(everything(&flow.platform).mail, was);
    flow.holds();
}

#[test]
fn rule_8_1_both() {
    let flow = Flow::new();
    flow.choose("account-alias", "both");
    assert_eq!(flow.forwards_to(MARIA), Some((vec![ANA.to_owned()], true)));
    assert_eq!((flow.targets(MARIA), flow.state(MARIA)), (None, "open"));
    assert_eq!(signs_in(&flow.platform, MARIA, "maria-nueva"), Ok(()));
    flow.holds();
}

#[test]
fn rule_8_1_another_choice_takes_the_first_back() {
    let flow = Flow::new();
    let was = everything(&flow.platform);
    for choice in ["both", "restore-alias-close-account", "keep-account"] {
        flow.choose("account-alias", choice);
    }
    everything(&flow.platform).must_be(&was, "it changed");
    flow.holds();
}

#[test]
fn rule_8_2_the_account_receives_again() {
    let flow = Flow::new();
    assert_eq!(flow.targets(JOSE), Some(vec![ANTONIO.to_owned()]), "until it is decided");
    flow.choose("alias-account", "account-receives");
    assert_eq!((flow.targets(JOSE), flow.state(JOSE)), (None, "open"));
    assert_eq!(signs_in(&flow.platform, JOSE, "antes-jose"), Ok(()));
    flow.holds();
}

#[test]
fn rule_8_2_the_alias_stays_and_the_mail_goes_to_its_target() {
    let flow = Flow::new();
    let his = placed_digests(&account(&flow.platform, JOSE));
    flow.choose("alias-account", "keep-alias-give-mail");
    assert_eq!((flow.targets(JOSE), flow.state(JOSE)), (Some(vec![ANTONIO.to_owned()]), "closed"));
    let given: Vec<_> = placed_digests(&[mailbox(&flow.platform, ANTONIO, JOSE)]).into_iter().map(|(_, d)| d).collect();
    assert_eq!(given, his.into_iter().map(|(_, d)| d).collect::<Vec<_>>());
    flow.holds();
}

#[test]
fn rule_8_2_the_alias_stays_and_the_account_is_closed() {
    let flow = Flow::new();
    let was = everything(&flow.platform).mail;
    flow.choose("alias-account", "keep-alias-close-account");
    assert_eq!((flow.targets(JOSE), flow.state(JOSE)), (Some(vec![ANTONIO.to_owned()]), "closed"));
    assert_eq!(everything(&flow.platform).mail, was, "kept, and read by nobody");
    flow.holds();
}

#[test]
fn rule_8_2_both() {
    let flow = Flow::new();
    flow.choose("alias-account", "both");
    assert_eq!((flow.targets(JOSE), flow.state(JOSE)), (None, "open"));
    assert_eq!(flow.forwards_to(JOSE), Some((vec![ANTONIO.to_owned()], true)));
    flow.holds();
}

#[test]
fn rules_8_3_and_8_4_targets_of_either_or_both() {
    let flow = Flow::new();
    let info = "info@panaderia.example";
    let before = [ANA, "Pepe@panaderia.example"];
    flow.choose("alias-alias", "before");
    assert_eq!(flow.targets(info).unwrap(), before);
    flow.choose("alias-alias", "both");
    let both: BTreeSet<String> = flow.targets(info).unwrap().into_iter().collect();
    assert_eq!(both, BTreeSet::from([ANA, ANTONIO, before[1]].map(str::to_owned)));
    flow.choose("alias-alias", "after");
    assert_eq!(flow.targets(info).unwrap(), [ANTONIO]);

    let everybody = "@panaderia.example";
    flow.choose("catch-all", "both");
    assert_eq!(flow.targets(everybody).unwrap(), [ANTONIO, ANA]);
    flow.choose("catch-all", "before");
    assert_eq!(flow.targets(everybody).unwrap(), [ANA]);
    flow.choose("catch-all", "after");
    assert_eq!(flow.targets(everybody).unwrap(), [ANTONIO]);
    flow.holds();
}

#[test]
fn rule_8_8_the_filter_of_before_is_switched_on_and_off() {
    let flow = Flow::new();
    let ana = flow.platform.directory.account(&shown::address(ANA)).unwrap().unwrap().id;
    let active = || flow.platform.directory.active_script(ana).unwrap().unwrap().content;
    let after = active();
    flow.choose("script", "activate-before");
    let before = std::fs::read(flow.bench.before().join("mail/panaderia.example/ana/sieve/filtros.sieve")).unwrap();
    assert_eq!(active(), before);
    flow.choose("script", "keep-after");
    assert_eq!(active(), after);
    assert_eq!(flow.platform.directory.scripts(ana).unwrap().len(), 2);
    flow.holds();
}

const SAM: &str = "sam@taller.example";

#[test]
fn rule_8_7_the_history_of_another_person_is_sealed_and_counted() {
    let flow = Flow::of_two_people();
    let sealed = before_of_sam(&flow);
    assert_eq!(sealed.len(), 10, "eight of his mailboxes and two orphans");
    let hers = placed_digests(&account(&flow.platform, SAM));
    assert_eq!(hers.len(), 6);
    assert_eq!(signs_in(&flow.platform, SAM, "same-old-sam"), Ok(()));

    let report = integrate::build_report(&flow.platform, flow.id).unwrap();
    assert_eq!(report.totals.sealed, 10);
    assert!(report.verdict.reasons.iter().any(|r| (r.kind, r.count) == (ReasonKind::Sealed, 10)));
    assert!(report.totals.adding_up().holds, "{:?}", report.totals);
    let (_, rows) = ledger::rows(&flow.platform, flow.id);
    let of_sam = rows.iter().filter(|row| row["account"] == SAM && row["lineage"] == "before");
    assert!(of_sam.filter(|row| row["digest"].is_string()).all(|row| row["outcome"] == "sealed"));

    let confirmed = integrate::confirm(&flow.platform, flow.id).unwrap_err();
    assert!(confirmed.to_string().contains("sealed"), "{confirmed}");
    assert_eq!(before_of_sam(&flow), sealed, "a refused confirm leaves it where it is");

    flow.choose("two-people", "sealed-until:2999-12-31");
    assert!(matches!(flow.refuses("two-people", "sealed-until:1999-12-31"), ResolveError::Argument { .. }));
    assert_eq!(placed_digests(&account(&flow.platform, SAM)), hers);
    flow.holds();
}

#[test]
fn rule_8_7_the_same_person_joins() {
    let flow = Flow::of_two_people();
    flow.choose("two-people", "same-person");
    let whole = Flow::new();
    assert_eq!(placed_digests(&account(&flow.platform, SAM)), placed_digests(&account(&whole.platform, SAM)));
    assert!(matches!(flow.refuses("two-people", "sealed-until:2999-12-31"), ResolveError::Final { .. }));
    let report_has_sealed = || integrate::build_report(&flow.platform, flow.id).unwrap().totals.sealed;
    verify(&flow.platform, flow.id);
    assert_eq!(report_has_sealed(), 0);
    flow.holds();
}

#[test]
fn rule_8_7_another_person_gets_another_address_and_keeps_every_uid() {
    let flow = Flow::of_two_people();
    let lineage = LineageId(flow.platform.directory.lineages_of(flow.id).unwrap()[0].id.get());
    let his = lineage_account(&flow.platform, lineage, SAM);
    let hers = account(&flow.platform, SAM);
    let new = "sam.carter@taller.example";
    for taken in [SAM, "kim@taller.example", "sales@taller.example", "sam@elsewhere.example"] {
        let refused = flow.refuses("two-people", &format!("another-address:{taken}"));
        assert!(matches!(refused, ResolveError::Argument { .. }), "{taken}: {refused}");
    }
    flow.choose("two-people", &format!("another-address:{new}"));
    assert_eq!(account(&flow.platform, SAM), hers);
    assert_eq!(signs_in(&flow.platform, new, "same-old-sam"), Ok(()));
    let restored = account(&flow.platform, new);
    assert_eq!(placed_digests(&restored), placed_digests(&his));
    for mailbox in his.iter().filter(|m| m.uidvalidity.is_some()) {
        let there = restored.iter().find(|m| m.name == mailbox.name).unwrap();
        assert_eq!(
            (there.uidvalidity, there.subscribed),
            (mailbox.uidvalidity, mailbox.subscribed),
            "{}",
            mailbox.name
        );
        assert_eq!(there.messages, mailbox.messages, "{}: UIDs, flags, dates, UIDLs", mailbox.name);
        assert!(there.uidnext >= mailbox.uidnext);
    }
    flow.holds();
}

/// The digests of what is sealed of sam.
fn before_of_sam(flow: &Flow) -> Vec<(String, String)> {
    let lineage = LineageId(flow.platform.directory.lineages_of(flow.id).unwrap()[0].id.get());
    placed_digests(&lineage_account(&flow.platform, lineage, SAM))
}

#[test]
fn undo_takes_everything_back_whatever_was_decided() {
    for decided in [false, true] {
        let bench = Bench::of_sample();
        let platform = bench.init(4);
        import(&platform, &bench.after());
        let was = everything(&platform);
        let (id, _) = stage(&platform, &bench.before(), None);
        everything(&platform).must_be(&was, "staging touches nobody");
        apply(&platform, id);
        verify(&platform, id);
        let flow = Flow { bench, platform, id };
        if decided {
            for (kind, choice) in [
                ("account-alias", "restore-alias-close-account"),
                ("alias-account", "account-receives"),
                ("alias-alias", "both"),
                ("catch-all", "before"),
                ("script", "activate-before"),
            ] {
                flow.choose(kind, choice);
            }
        }
        integrate::undo(&flow.platform, id, &Selection::default(), &Silent).unwrap();
        let is = everything(&flow.platform);
        as_people_see(&is).must_be(&as_people_see(&was), &format!("decided: {decided}"));
        check(&flow.platform);
        // And again forward.
        apply(&flow.platform, id);
        flow.holds();
    }
}

/// Everything but UIDNEXTs, which never go down, and the UIDVALIDITY that an empty mailbox took from *before*, which
/// stays: no UID that was served may come to name anything else (`RULES.md` 5.1, G11).
fn as_people_see(of: &shown::Everything) -> shown::Everything {
    let mut of = of.clone();
    for mailbox in of.mail.values_mut().flatten() {
        mailbox.uidnext = 0;
        mailbox.uidvalidity = mailbox.uidvalidity.filter(|_| !mailbox.messages.is_empty());
        // POP3 serves the INBOX alone.
        for message in mailbox.messages.iter_mut().filter(|_| mailbox.name != "INBOX") {
            message.uidl.clear();
        }
    }
    of
}

#[test]
fn mail_that_arrived_since_stays_when_the_apply_is_undone() {
    let flow = Flow::new();
    let address = shown::address("carmen@panaderia.example");
    let cell = flow.platform.store.cell_of(&address);
    let bytes = b"From: a@example.org\r\nSubject: since\r\n\r\nNew.\r\n";
    let (live, inbox) = cell
        .read(|view| {
            let live = view.account(store::LIVE, &address)?.unwrap();
            let inbox = view.mailboxes(live.id)?.into_iter().find(|m| m.name.is_inbox()).unwrap();
            Ok((live, inbox))
        })
        .unwrap();
    cell.deliver(vec![store::Delivery {
        account: live.id,
        mailbox: inbox.id,
        uid: None,
        message: store::Prepared::new(bytes, &message::examine(bytes)),
        flags: message::Flags::NONE,
        keywords: Vec::new(),
        internal_date: 1_760_000_000,
        uidl: None,
        traits: store::Traits::default(),
        item: None,
        id: None,
    }])
    .unwrap();
    verify(&flow.platform, flow.id);
    integrate::undo(&flow.platform, flow.id, &Selection::default(), &Silent).unwrap();
    let left = all_of(&flow.platform, "carmen@panaderia.example");
    assert_eq!(left, [shown::sha256(bytes)], "only before had the account; what came since keeps it");
    check(&flow.platform);
}

fn all_of(platform: &Platform, address: &str) -> Vec<String> {
    placed_digests(&account(platform, address)).into_iter().map(|(_, digest)| digest).collect()
}

#[test]
fn confirm_asks_for_proof_and_then_lets_go_of_what_was_staged() {
    let bench = Bench::of_sample();
    let platform = bench.init(4);
    import(&platform, &bench.after());
    let (id, _) = stage(&platform, &bench.before(), None);
    assert!(integrate::confirm(&platform, id).is_err(), "nothing is applied");
    apply(&platform, id);
    let unproven = integrate::confirm(&platform, id).unwrap_err();
    assert!(unproven.to_string().contains("verify"), "{unproven}");
    verify(&platform, id);
    let was = everything(&platform);
    let (ledger_was, rows_were) = ledger::rows(&platform, id);
    let lineage = LineageId(platform.directory.lineages_of(id).unwrap()[0].id.get());
    let unattributed = || lineage_account(&platform, lineage, integrate::stage::UNATTRIBUTED);
    let nobodys = unattributed();
    assert_eq!(placed_digests(&nobodys).len(), 1);

    integrate::confirm(&platform, id).unwrap();
    everything(&platform).must_be(&was, "it changed");
    assert_eq!(unattributed(), nobodys);
    for cell in platform.store.cells() {
        let left = cell.read(|view| view.accounts(lineage)).unwrap();
        assert!(left.iter().all(|a| a.address == integrate::stage::UNATTRIBUTED), "{left:?}");
    }
    let (ledger_is, rows) = ledger::rows(&platform, id);
    assert_eq!((ledger_is.head, rows), (ledger_was.head, rows_were));
    assert!(integrate::undo(&platform, id, &Selection::default(), &Silent).is_err());
    assert!(integrate::apply(&platform, id, &Selection::default(), &Silent).is_err());
    integrate::confirm(&platform, id).unwrap();
    everything(&platform).must_be(&was, "it changed");
    check(&platform);
}

#[test]
fn segments_alone_give_the_integrated_state() {
    for confirmed in [false, true] {
        let flow = Flow::new();
        if confirmed {
            integrate::confirm(&flow.platform, flow.id).unwrap();
        }
        let was = everything(&flow.platform);
        let digests = all_digests(&flow.platform);
        let Flow { bench, platform, .. } = flow;
        drop(platform);
        for cell in std::fs::read_dir(bench.path("data/cells")).unwrap() {
            let cell = cell.unwrap().path();
            for entry in std::fs::read_dir(&cell).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with("index.sqlite") {
                    std::fs::remove_file(path).unwrap();
                }
            }
            let snapshots = cell.join("snapshots");
            if snapshots.exists() {
                std::fs::remove_dir_all(snapshots).unwrap();
            }
        }
        Store::rebuild(&bench.path("data"), None, OpenOptions::for_purpose("test")).unwrap();
        let platform = bench.open();
        assert_eq!(all_digests(&platform), digests, "confirmed: {confirmed}");
        everything(&platform).must_be(&was, &format!("confirmed: {confirmed}"));
        check(&platform);
    }
}

#[test]
fn a_policy_of_the_run_is_kept_with_it() {
    let bench = Bench::of_sample();
    let platform = bench.init(1);
    import(&platform, &bench.after());
    let policy = Policy { join_twins: true, ..Policy::default() };
    let (id, _) = stage(&platform, &bench.before(), Some(policy));
    apply(&platform, id);
    verify(&platform, id);
    let report = integrate::build_report(&platform, id).unwrap();
    assert_eq!(report.integration.policy["join_twins"], true);
    let inbox = mailbox(&platform, "pepe@panaderia.example", "INBOX");
    assert_eq!(inbox.messages.len(), 4, "the near twins are one (RULES.md 2.5)");
    assert_eq!(report.near_twins.len(), 1, "and listed");
    check(&platform);
}
