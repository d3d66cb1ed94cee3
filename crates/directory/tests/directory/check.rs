//! The consistency check finds every kind of damage, and names it.

use crate::{Fixture, address, texts};
use directory::{
    Alias, AliasAddress, DirectoryError, DkimAlgorithm, ErrorClass, Forward, LineageAccount, LineageRole, NewDkimKey,
    Secret,
};

const MANY_APP_PASSWORDS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO app_password (account_id, label, hash_salt, hash, salt, iterations, stored_key, server_key, created_at)
    SELECT account_id, label, hash_salt, hash, salt, iterations, stored_key, server_key, created_at
    FROM app_password, n";
const MANY_MEMORIES: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
    INSERT INTO sieve_seen SELECT 1, CAST(printf('%032d', i) AS BLOB), 0, 1 FROM n";
const MANY_NETWORKS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65)
    INSERT INTO account_network SELECT 1, CAST(printf('%016d', i) AS BLOB), 0 FROM n";

/// A directory with something of everything that damage can touch.
fn furnished() -> Fixture {
    let fixture = Fixture::new();
    let ana = fixture.add("ana@example.org");
    fixture.directory.change_password(ana, b"hierro2602").unwrap();
    fixture.directory.add_app_password(ana, "Tablet", "op").unwrap();
    fixture
        .directory
        .write(|tx| {
            tx.switch_off(ana, "IDLE")?;
            tx.put_forward(ana, &Forward { targets: texts(&["eva@example.com"]), keep_copy: true })?;
            let (domain, selector) = ("example.org".to_owned(), "s1".to_owned());
            let (algorithm, public_record) = (DkimAlgorithm::Ed25519Sha256, "v=DKIM1; p=".to_owned());
            let private_key = Secret::new("{PLAIN}hierro");
            tx.add_dkim_key(&NewDkimKey { domain, selector, algorithm, private_key, public_record }, "op")?;
            tx.put_script(ana, "one", b"keep;")?;
            tx.put_script(ana, "two", b"keep;")?;
            tx.activate_script(ana, Some("one"))?;
            let at = AliasAddress::Exact(address("info@example.org"));
            tx.put_alias(&Alias { address: at, targets: texts(&["ana@example.org"]), enabled: true })?;
            let lineage = tx.add_lineage(None, LineageRole::Import, "/srv/old")?;
            let line = LineageAccount { key: "ana@example.org".to_owned(), json: Secret::new("{}") };
            tx.put_lineage_account(lineage, &line)?;
            for _ in 0..3 {
                tx.audit("op", "a", "b", "{}")?;
            }
            Ok(())
        })
        .unwrap();
    fixture
}

#[test]
fn every_broken_invariant_is_found() {
    let cases = [
        ("PRAGMA foreign_keys = OFF; DELETE FROM domain", "references"),
        ("PRAGMA foreign_keys = OFF; UPDATE domain SET name = 'Example.org'", "domain"),
        ("UPDATE account SET key = 'eva@example.org'", "key"),
        ("UPDATE account SET address = 'no address'", "key"),
        ("UPDATE alias SET key = 'Info@example.org'", "key"),
        ("DROP INDEX script_active; UPDATE script SET active = 1", "active script"),
        ("PRAGMA ignore_check_constraints = ON; UPDATE account SET state = 'asleep'", "rows"),
        ("UPDATE alias SET targets = 'none'", "rows"),
        ("UPDATE alias SET targets = '[]'", "values"),
        ("UPDATE lineage_account SET json = '{'", "values"),
        ("UPDATE lineage_account SET key = 'Ana@example.org'", "values"),
        ("DROP TRIGGER scram_of_former_hash; UPDATE account SET password_hash = '{PLAIN}x'", "scram"),
        ("UPDATE app_password SET label = ''", "values"),
        (MANY_APP_PASSWORDS, "app passwords"),
        ("UPDATE account_switch SET capability = 'idle'", "values"),
        (MANY_NETWORKS, "networks"),
        ("UPDATE settings_script SET content = CAST('keep;' AS BLOB)", "rows"),
        ("UPDATE dkim_key SET selector = 'S 1'", "values"),
        (MANY_MEMORIES, "sieve memory"),
        ("DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE number = 2", "audit"),
        ("DROP TRIGGER audit_no_update; UPDATE audit SET at = 0 WHERE number = 3", "audit"),
    ];
    for (damage, invariant) in cases {
        let fixture = furnished();
        assert_eq!(fixture.directory.check_consistency().unwrap(), [], "{damage}");
        fixture.raw().execute_batch(damage).unwrap();
        let problems = fixture.directory.check_consistency().unwrap();
        assert!(problems.iter().any(|p| p.invariant == invariant), "{damage}: {problems:?}");
    }
}

/// A directory in whose file one index lies where another should.
fn damaged() -> Fixture {
    let fixture = furnished();
    fixture
        .raw()
        .execute_batch(
            "PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'alias_domain')
            WHERE name = 'account_domain'",
        )
        .unwrap();
    fixture.reopen()
}

#[test]
fn damage_to_the_file_is_found() {
    let problems = damaged().directory.check_consistency().unwrap();
    assert!(problems.iter().any(|p| p.invariant == "integrity"), "{problems:?}");
}

#[test]
fn nothing_more_is_written_to_a_damaged_file() {
    let Fixture { directory, place: _place } = damaged();
    let ana = directory.account(&address("ana@example.org")).unwrap().unwrap();
    let error = directory.write(|tx| tx.remove_account(ana.id)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Corruption, "{error:?}");
    let error = directory.write(|tx| tx.audit("op", "a", "b", "{}")).unwrap_err();
    assert!(matches!(error, DirectoryError::Stopped), "{error:?}");
    assert!(directory.account(&address("ana@example.org")).unwrap().is_some(), "reading goes on");
}

#[test]
fn a_list_without_end_is_cut_and_says_so() {
    let fixture = furnished();
    fixture
        .raw()
        .execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
            INSERT INTO domain SELECT 'UPPER' || i || '.example', NULL, 0, 0 FROM n",
        )
        .unwrap();
    let problems = fixture.directory.check_consistency().unwrap();
    assert_eq!(problems.len(), 1001);
    assert_eq!(problems[1000].invariant, "list");
}

#[test]
fn no_problem_prints_a_secret() {
    let fixture = furnished();
    fixture
        .raw()
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
            UPDATE account SET password_hash = '{PLAIN}hierro', state = 'asleep';
            UPDATE lineage_account SET json = '{PLAIN}hierro'",
        )
        .unwrap();
    let problems = fixture.directory.check_consistency().unwrap();
    let found = |invariant| problems.iter().any(|p| p.invariant == invariant);
    assert!(found("rows") && found("values"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("hierro"));
}
