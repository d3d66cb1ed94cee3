//! Lists as JSON: the names that `docs/json.md` promises, and nothing that it does not.

use crate::{Place, names};
use serde_json::Value;

fn first(list: &Value) -> &Value {
    list.get(0).expect("the sample has one at least")
}

#[test]
fn accounts() {
    let place = Place::imported();
    let ran = place.reintegra(&["accounts", "--json"]);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = [
        "address",
        "created_at",
        "domain",
        "language",
        "messages",
        "name",
        "password",
        "quota_bytes",
        "restored",
        "state",
        "used_bytes",
    ];
    assert_eq!(names(first(&list)), expected);
    let of = |address: &str| list.as_array().unwrap().iter().find(|row| row["address"] == address).unwrap();
    let ana = of("ana@panaderia.example");
    assert_eq!(ana["domain"], "panaderia.example");
    assert_eq!(ana["password"], "set");
    assert_eq!(ana["state"], "open");
    assert!(ana["messages"].as_u64() > Some(0) && ana["used_bytes"].as_u64() > Some(0), "{ana}");
    assert_eq!(of("kim@taller.example")["messages"], 0);
    assert!(["none", "unusable"].iter().any(|word| of("kim@taller.example")["password"] == *word));
    for secret in ["{", "$"] {
        let rest = ran.stdout.lines().filter(|line| line.trim_start_matches('{').contains(secret));
        assert_eq!(rest.count(), 0, "no list shows a hash");
    }
}

#[test]
fn aliases() {
    let place = Place::imported();
    let list = place.json(&["aliases", "--json"]);
    assert_eq!(names(first(&list)), ["address", "catch_all", "domain_alias", "enabled", "targets"]);
    let catch_alls = list.as_array().unwrap().iter().filter(|row| row["catch_all"] == true);
    for row in catch_alls {
        assert!(row["address"].as_str().unwrap().starts_with('@'), "{row}");
    }
}

#[test]
fn messages() {
    let place = Place::imported();
    let list = place.json(&["messages", "ana@panaderia.example", "--json"]);
    let expected = [
        "account",
        "damaged",
        "digest",
        "flags",
        "identity",
        "internaldate",
        "keywords",
        "mailbox",
        "modseq",
        "size",
        "uid",
        "uidl",
        "uidvalidity",
    ];
    assert_eq!(names(first(&list)), expected);
    for row in list.as_array().unwrap() {
        assert_eq!(row["account"], "ana@panaderia.example");
        assert_eq!(row["digest"].as_str().unwrap().len(), 64);
        assert!(row["internaldate"].as_str().unwrap().ends_with('Z'));
        assert_eq!(row["uidl"].is_string(), row["mailbox"] == "INBOX", "POP3 serves the INBOX alone: {row}");
    }
    let seen = |row: &Value| row["flags"].as_array().unwrap().iter().any(|flag| flag == "\\Seen");
    assert!(list.as_array().unwrap().iter().any(seen));
    let sent = place.json(&["messages", "ANA@panaderia.example", "--mailbox", "Sent", "--json"]);
    assert_eq!(sent.as_array().unwrap().len(), 2);
    let inbox = place.json(&["messages", "ana@panaderia.example", "--mailbox", "inbox", "--json"]);
    assert!(!inbox.as_array().unwrap().is_empty(), "INBOX is one in any case");
}

#[test]
fn conflicts_and_integrations() {
    let place = Place::imported();
    let before = place.path("before");
    assert_eq!(place.json(&["conflicts", "--json"]), serde_json::json!([]));
    let run = place.reintegra(&["integrate", "run", "--before", before.to_str().unwrap(), "--yes"]);
    assert_eq!(run.code(), Some(1), "decisions wait: {}", run.stderr);
    let list = place.json(&["conflicts", "--json"]);
    let expected = [
        "address",
        "choice",
        "choices",
        "decided_at",
        "decided_by",
        "domain",
        "evidence",
        "integration",
        "kind",
        "number",
        "state",
    ];
    assert_eq!(names(first(&list)), expected);
    assert_eq!(names(first(&first(&list)["choices"])), ["choice", "effect_en", "effect_es", "recommended"]);
    let list = place.json(&["integrate", "list", "--json"]);
    assert_eq!(names(first(&list)), ["base", "before", "created_at", "id", "kind", "label", "state"]);
    assert_eq!(list[0]["kind"], "import");
    assert_eq!((&list[1]["kind"], &list[1]["state"]), (&"integration".into(), &"applied".into()));
}

#[test]
fn lists_for_people_are_short() {
    let place = Place::imported();
    for list in ["accounts", "aliases"] {
        let ran = place.reintegra(&[list]);
        assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("panaderia.example"), "{}", ran.stdout);
    }
    let ran = place.reintegra(&["messages", "ana@panaderia.example"]);
    assert!(ran.stdout.lines().all(|line| line.contains("2025-") || line.contains("2024-")), "{}", ran.stdout);
    assert_eq!(place.reintegra(&["conflicts"]).stdout, "no conflict\n");
}
