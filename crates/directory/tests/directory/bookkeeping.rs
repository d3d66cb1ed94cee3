//! What integrations keep: lineages, applied accounts, conflicts.

use crate::{Fixture, collect, now, texts};
use directory::{
    AccountApply, ConflictState, Decision, Directory, DirectoryError, Integration, IntegrationId, Lineage,
    LineageAccount, LineageAlias, LineageDomain, LineageId, LineageNotice, LineageRole, LineageScript, NewConflict,
    NewIntegration, Secret,
};

fn begin(directory: &Directory) -> IntegrationId {
    let new = NewIntegration {
        label: "July 2013".to_owned(),
        state: "staging".to_owned(),
        policy: "{\"keep_uids\":null}".to_owned(),
        before_source: Some("maildir /srv/old".to_owned()),
        after_source: None,
        base_source: None,
    };
    directory.write(|tx| tx.add_integration(&new)).unwrap()
}

#[test]
fn an_integration_keeps_its_state_and_choices() {
    let Fixture { directory, place: _place } = Fixture::new();
    let (first, second) = (begin(&directory), begin(&directory));
    let stored = Integration {
        id: first,
        label: "July 2013".to_owned(),
        state: "staging".to_owned(),
        created_at: now(),
        policy: "{\"keep_uids\":null}".to_owned(),
        before_source: Some("maildir /srv/old".to_owned()),
        after_source: None,
        base_source: None,
        summary: None,
    };
    assert_eq!(directory.integration(first).unwrap(), Some(stored.clone()));
    let changed = Integration { state: "applied".to_owned(), summary: Some("[1]".to_owned()), ..stored };
    directory.write(|tx| tx.update_integration(&changed)).unwrap();
    let all: Vec<_> = collect!(directory, for_each_integration).into_iter().map(|i| (i.id, i.state)).collect();
    assert_eq!(all, [(first, "applied".to_owned()), (second, "staging".to_owned())]);

    let wrong = Integration { policy: "none".to_owned(), ..changed };
    let refused = directory.write(|tx| tx.update_integration(&wrong));
    assert!(matches!(refused, Err(DirectoryError::Invalid { what: "integration", .. })));
    let unknown = Integration { id: IntegrationId::new_unchecked(99), policy: "{}".to_owned(), ..wrong };
    let refused = directory.write(|tx| tx.update_integration(&unknown));
    assert!(matches!(refused, Err(DirectoryError::Missing { what: "integration", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

fn account(key: &str, json: &str) -> LineageAccount {
    LineageAccount { key: key.to_owned(), json: Secret::new(json) }
}

/// Writes a small source down.
fn stage(directory: &Directory, lineage: LineageId) {
    let script = |name: &str, active| LineageScript {
        account_key: "ana@example.org".to_owned(),
        name: name.to_owned(),
        content: b"keep;".to_vec(),
        active,
    };
    directory
        .write(|tx| {
            for (name, disabled) in [("example.org", false), ("example.com", true)] {
                let domain = LineageDomain { name: name.to_owned(), disabled, customer: Some("Azul".to_owned()) };
                tx.put_lineage_domain(lineage, &domain)?;
            }
            tx.put_lineage_account(lineage, &account("eva@example.org", "{}"))?;
            tx.put_lineage_account(lineage, &account("ana@example.org", "{\"hash\":\"{PLAIN}x\"}"))?;
            let alias = LineageAlias { address: "@example.org".to_owned(), targets: texts(&["b", "a"]) };
            tx.put_lineage_alias(lineage, &alias)?;
            tx.put_lineage_script(lineage, &script("work", true))?;
            tx.put_lineage_script(lineage, &script("holiday", false))?;
            for seq in [1, 0] {
                let notice =
                    LineageNotice { seq, rule: "9.4".to_owned(), place: format!("line {seq}"), text: "odd".to_owned() };
                tx.put_lineage_notice(lineage, &notice)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn staging_again_changes_nothing() {
    let Fixture { directory, place: _place } = Fixture::new();
    let integration = begin(&directory);
    let id = directory.write(|tx| tx.add_lineage(Some(integration), LineageRole::Before, "/srv/old")).unwrap();
    let everything = || {
        (
            collect!(directory, for_each_lineage_domain, id),
            collect!(directory, for_each_lineage_account, id),
            collect!(directory, for_each_lineage_alias, id),
            collect!(directory, for_each_lineage_script, id),
            collect!(directory, for_each_lineage_notice, id),
        )
    };
    stage(&directory, id);
    let once = everything();
    stage(&directory, id);
    assert_eq!(everything(), once);

    let (domains, accounts, aliases, scripts, notices) = once;
    assert_eq!(domains.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["example.com", "example.org"]);
    assert_eq!(accounts.iter().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["ana@example.org", "eva@example.org"]);
    assert_eq!(scripts.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["holiday", "work"]);
    assert_eq!(notices.iter().map(|n| n.seq).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(directory.lineage_domain(id, "example.com").unwrap(), Some(domains[0].clone()));
    assert_eq!(directory.lineage_account(id, "ana@example.org").unwrap(), Some(accounts[0].clone()));
    assert_eq!(directory.lineage_alias(id, "@example.org").unwrap(), Some(aliases[0].clone()));
    assert_eq!(directory.lineage_scripts(id, "ana@example.org").unwrap(), scripts);
    assert!(!format!("{accounts:?}").contains("PLAIN"), "an account line never prints");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_lineage_is_staged_then_forgotten_with_everything_of_it() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let integration = begin(directory);
    let (before, after, import) = directory
        .write(|tx| {
            Ok((
                tx.add_lineage(Some(integration), LineageRole::Before, "/srv/old")?,
                tx.add_lineage(Some(integration), LineageRole::After, "/srv/new")?,
                tx.add_lineage(None, LineageRole::Import, "/srv/other")?,
            ))
        })
        .unwrap();
    let staging = directory.lineage(before).unwrap().unwrap();
    assert_eq!((staging.role, staging.staged_at), (LineageRole::Before, None));
    let staged = Lineage { staged_at: Some(now()), ..staging };
    directory.write(|tx| tx.update_lineage(&staged)).unwrap();
    assert_eq!(directory.lineage(before).unwrap(), Some(staged));
    let ids = |lineages: Vec<Lineage>| lineages.iter().map(|l| l.id).collect::<Vec<_>>();
    assert_eq!(ids(directory.lineages_of(integration).unwrap()), [before, after]);
    assert_eq!(ids(collect!(directory, for_each_lineage)), [before, after, import]);
    let twice = directory.write(|tx| tx.add_lineage(Some(integration), LineageRole::Before, "/srv/older"));
    assert!(matches!(twice, Err(DirectoryError::Exists { what: "lineage", .. })));

    stage(directory, before);
    stage(directory, after);
    directory.write(|tx| tx.forget_lineage(before)).unwrap();
    assert_eq!(directory.lineage(before).unwrap(), None);
    assert_eq!(collect!(directory, for_each_lineage_account, before), []);
    assert_eq!(collect!(directory, for_each_lineage_account, after).len(), 2, "the other one stays");
    directory.write(|tx| tx.clear_lineage(after)).unwrap();
    assert_eq!(collect!(directory, for_each_lineage_notice, after), []);
    assert!(directory.lineage(after).unwrap().is_some());
    let gone = directory.write(|tx| tx.forget_lineage(before));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "lineage", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_forgotten_hash_is_not_in_the_file() {
    let fixture = Fixture::new();
    let needle = "{SSHA}a-hash-that-must-go";
    let id = fixture.directory.write(|tx| tx.add_lineage(None, LineageRole::Import, "/srv/old")).unwrap();
    let line = account("ana@example.org", &format!("\"{needle}\""));
    fixture.directory.write(|tx| tx.put_lineage_account(id, &line)).unwrap();
    let is_in_files = || {
        fixture.raw().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let bytes = std::fs::read(fixture.place.path().join("directory.db")).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    assert!(is_in_files());
    fixture.directory.write(|tx| tx.forget_lineage(id)).unwrap();
    assert!(!is_in_files());
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn rows_of_lineages_that_could_not_be_found_again_are_refused() {
    let Fixture { directory, place: _place } = Fixture::new();
    let id = directory.write(|tx| tx.add_lineage(None, LineageRole::Import, "/srv/old")).unwrap();
    for key in ["", "Ana@example.org"] {
        let refused = directory.write(|tx| tx.put_lineage_account(id, &account(key, "{}")));
        assert!(matches!(refused, Err(DirectoryError::Invalid { .. })), "{key:?}");
    }
    let refused = directory.write(|tx| tx.put_lineage_account(id, &account("ana@example.org", "{")));
    assert!(matches!(refused, Err(DirectoryError::Invalid { .. })));
    let nowhere = LineageId::new_unchecked(99);
    let refused = directory.write(|tx| tx.put_lineage_account(nowhere, &account("ana@example.org", "{}")));
    assert!(matches!(refused, Err(DirectoryError::Dangling { .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn what_was_done_to_each_account_is_kept_until_it_is_confirmed() {
    let Fixture { directory, place: _place } = Fixture::new();
    let integration = begin(&directory);
    let apply = |key: &str, state: &str| AccountApply {
        integration,
        account_key: key.to_owned(),
        state: state.to_owned(),
        undo: Some(Secret::new("{\"hash\":\"{PLAIN}x\"}")),
        detail: "{}".to_owned(),
    };
    let list = [apply("a@example.org", "applied"), apply("b@example.org", "failed"), apply("c@example.org", "applied")];
    directory.write(|tx| list.iter().try_for_each(|a| tx.put_account_apply(a))).unwrap();
    assert_eq!(directory.account_apply(integration, "b@example.org").unwrap(), Some(list[1].clone()));
    assert_eq!(collect!(directory, for_each_account_apply, integration, None), list);
    assert_eq!(collect!(directory, for_each_account_apply, integration, Some("failed")), list[1..2]);
    let counts = directory.account_apply_counts(integration).unwrap();
    assert_eq!(counts, [("applied".to_owned(), 2), ("failed".to_owned(), 1)]);
    assert!(!format!("{list:?}").contains("PLAIN"), "what an undo holds never prints");

    directory.write(|tx| tx.put_account_apply(&apply("b@example.org", "applied"))).unwrap();
    assert_eq!(directory.account_apply_counts(integration).unwrap(), [("applied".to_owned(), 3)]);
    assert!(directory.write(|tx| tx.remove_account_apply(integration, "c@example.org")).unwrap());
    assert!(!directory.write(|tx| tx.remove_account_apply(integration, "c@example.org")).unwrap());
    directory.write(|tx| tx.forget_undo(integration)).unwrap();
    let undos: Vec<_> =
        collect!(directory, for_each_account_apply, integration, None).into_iter().map(|a| a.undo).collect();
    assert_eq!(undos, [None, None]);
    let unknown = AccountApply { integration: IntegrationId::new_unchecked(99), ..apply("a@example.org", "x") };
    let refused = directory.write(|tx| tx.put_account_apply(&unknown));
    assert!(matches!(refused, Err(DirectoryError::Dangling { .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_conflict_waits_is_decided_and_may_wait_again() {
    let Fixture { directory, place: _place } = Fixture::new();
    let integration = begin(&directory);
    let conflict = |address: &str, evidence: &str| NewConflict {
        integration,
        kind: "account-alias".to_owned(),
        domain: "example.org".to_owned(),
        address: address.to_owned(),
        evidence: evidence.to_owned(),
        choices: "[\"account\",\"alias\",\"both\"]".to_owned(),
    };
    let put = |new: &NewConflict| directory.write(|tx| tx.put_conflict(new)).unwrap();
    let (info, ventas) = (put(&conflict("info@example.org", "{}")), put(&conflict("ventas@example.org", "{}")));
    assert_eq!(put(&conflict("info@example.org", "[2]")), info, "the same conflict keeps its number");
    assert_eq!(directory.conflict(info).unwrap().unwrap().conflict.evidence, "[2]");

    let decision = Decision {
        choice: "both".to_owned(),
        decided_by: "jefa@example.org".to_owned(),
        decided_at: now(),
        undo: Some(Secret::new("{}")),
    };
    directory.write(|tx| tx.decide_conflict(info, &decision)).unwrap();
    assert_eq!(put(&conflict("info@example.org", "[3]")), info);
    let decided = directory.find_conflict(integration, "account-alias", "example.org", "info@example.org").unwrap();
    let decided = decided.unwrap();
    assert_eq!((decided.state(), decided.conflict.evidence.as_str()), (ConflictState::Decided, "[2]"));
    assert_eq!(decided.decision, Some(decision.clone()), "what was decided stays as it was decided");

    let numbers = |state| {
        let list = collect!(directory, for_each_conflict, integration, state);
        list.iter().map(|c| c.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None), [info, ventas]);
    assert_eq!(numbers(Some(ConflictState::Open)), [ventas]);
    assert_eq!(numbers(Some(ConflictState::Decided)), [info]);
    assert_eq!(collect!(directory, for_each_conflict_of_domain, "example.org").len(), 2);
    assert_eq!(collect!(directory, for_each_conflict_of_domain, "example.com"), []);

    directory.write(|tx| tx.forget_undo(integration)).unwrap();
    assert_eq!(directory.conflict(info).unwrap().unwrap().decision, Some(Decision { undo: None, ..decision }));
    directory.write(|tx| tx.reopen_conflict(info)).unwrap();
    assert_eq!(directory.conflict(info).unwrap().unwrap().decision, None);
    directory.write(|tx| tx.remove_conflict(ventas)).unwrap();
    assert_eq!(numbers(None), [info]);
    let gone = directory.write(|tx| tx.reopen_conflict(ventas));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "conflict", .. })));
    let unknown = NewConflict { integration: IntegrationId::new_unchecked(99), ..conflict("x@example.org", "{}") };
    let refused = directory.write(|tx| tx.put_conflict(&unknown));
    assert!(matches!(refused, Err(DirectoryError::Dangling { what: "conflict", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}
