//! The operator's port.

use super::*;
use std::collections::BTreeMap;
use testkit::served::get;

/// Reads metrics as Prometheus's text format 0.0.4 has them: a sample's name and labels, and its value.
fn read(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut family, mut described) = (String::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described.push(help.split_once(' ').unwrap().0.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(described.iter().any(|known| known == name), "{name} is not described");
            family = name.to_owned();
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            assert!(name.strip_prefix(family.as_str()).is_some(), "{line} stands under {family}");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (key, value) = label.split_once('=').unwrap();
                assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
                assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
            let value: f64 = value.replace("+Inf", "inf").parse().unwrap();
            assert!(samples.insert(sample.to_owned(), value).is_none(), "{line} twice");
        }
    }
    samples
}

#[test]
fn metrics_count_what_happens() {
    let place = Place::with_ana();
    let served = place.serve("");
    let mut client = Client::imap(served.imap, ANA, PASSWORD);
    for _ in 0..5 {
        client.ask("NOOP");
    }
    let text = message(1);
    client.ask(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
    let mut pop3 = Client::pop3(served.pop3, ANA, PASSWORD);
    pop3.send("DELE 1");
    pop3.line();
    pop3.send("QUIT");
    assert!(pop3.rest().starts_with("+OK"));
    let mut wrong = Client::connect(served.imap);
    wrong.line();
    assert!(wrong.ask(&format!("LOGIN {ANA} wrong")).last().unwrap().contains(" NO "));

    let metrics = get(served.operator, "/metrics").unwrap();
    let samples = read(&metrics);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is missing:\n{metrics}"));
    assert_eq!(value("reintegra_sign_ins_total{protocol=\"imap\",outcome=\"in\"}"), 1.0);
    assert_eq!(value("reintegra_sign_ins_total{protocol=\"pop3\",outcome=\"in\"}"), 1.0);
    assert_eq!(value("reintegra_sign_ins_total{protocol=\"imap\",outcome=\"wrong\"}"), 1.0);
    assert_eq!(value("reintegra_pop3_deleted_total"), 1.0);
    assert_eq!(value("reintegra_imap_command_seconds_count{verb=\"noop\",outcome=\"ok\"}"), 5.0);
    assert!(value("reintegra_connections{protocol=\"imap\"}") >= 2.0);
    let build = format!("reintegra_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&build), 1.0);
    assert!(!metrics.contains("ana@") && !metrics.contains("example.org"), "nobody is named:\n{metrics}");
    stop(served);
}

#[test]
fn health_is_answered_and_nothing_else() {
    let place = Place::with_ana();
    let served = place.serve("");
    await_that("ready", || get(served.operator, "/health/ready").is_ok_and(|body| body == "ready\n"));
    assert_eq!(get(served.operator, "/health/live").unwrap(), "alive\n");
    let refused = get(served.operator, "/data/format").unwrap_err();
    assert!(refused.to_string().contains(" 404 "), "{refused}");
    stop(served);
}

#[test]
fn a_cell_that_cannot_be_read_is_not_ready() {
    let place = Place::with_ana();
    let served = place.serve("");
    let is_ready = || get(served.operator, "/health/ready").is_ok();
    await_that("ready", is_ready);
    let (there, away) = (place.data().join("cells/01"), place.data().join("away"));
    std::fs::rename(&there, &away).unwrap();
    await_that("not ready", || !is_ready());
    assert_eq!(get(served.operator, "/health/live").unwrap(), "alive\n", "a restart would mend nothing");
    std::fs::rename(&away, &there).unwrap();
    await_that("ready again", is_ready);
    stop(served);
}

/// No client hears of it: what is derived from mail is made anew, and its damage is no error.
#[test]
fn derived_data_that_was_damaged_is_counted() {
    let place = Place::with_ana();
    let served = place.serve("");
    let value = |served: &Served, name: &str| {
        let samples = read(&get(served.operator, "/metrics").unwrap());
        samples.get(&format!("{name}{{cell=\"1\"}}")).copied().unwrap_or_else(|| panic!("{name}: {samples:?}"))
    };
    await_that("ready", || get(served.operator, "/health/ready").is_ok());
    assert_eq!(value(&served, "reintegra_derived_thrown_away_total"), 0.0);
    assert_eq!(value(&served, "reintegra_derived_failures_total"), 0.0);
    stop(served);
    std::fs::write(place.data().join("cells/01/cached.sqlite"), [0x5a; 65_536]).unwrap();
    let served = place.serve("");
    await_that("ready in spite of it", || get(served.operator, "/health/ready").is_ok());
    assert_eq!(value(&served, "reintegra_derived_thrown_away_total"), 1.0);
    assert_eq!(value(&served, "reintegra_derived_failures_total"), 0.0);
    stop(served);
    place.is_sound();
}

#[test]
fn half_open_connections_leave_room_for_others_and_do_not_hold_up_the_end() {
    let place = Place::with_ana();
    let served = place.serve("");
    let silent: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(served.operator).unwrap()).collect();
    assert_eq!(get(served.operator, "/health/live").unwrap(), "alive\n");
    stop(served);
    drop(silent);
}
