//! What works beside a running service, and what does not.

use super::*;
use serde_json::Value;

#[test]
fn a_second_service_is_refused_and_told_who_is_there() {
    let place = Place::with_ana();
    let served = place.serve("");
    let config = place.write("second.toml", "imap.listen = [\"127.0.0.1:0\"]\noperator.listen = \"\"\n");
    for arguments in [&["serve", "--config", config.to_str().unwrap()][..], &["check"]] {
        let ran = place.reintegra(arguments);
        assert_eq!(ran.code(), Some(3), "{}", ran.stderr);
        let holder = format!("in use by process {} (reintegra serve)", served.pid());
        assert!(ran.stderr.contains(&holder), "{}", ran.stderr);
    }
    assert!(Client::connect(served.imap).line().starts_with("* OK"));
    stop(served);
}

fn app_passwords(place: &Place) -> Vec<Value> {
    let listed = place.reintegra(&["app-password", "list", ANA, "--json"]);
    assert_eq!(listed.code(), Some(0), "{}", listed.stderr);
    serde_json::from_str(&listed.stdout).unwrap()
}

/// Whether IMAP and POP3 let somebody in with a password.
pub(super) fn opens(served: &Served, password: &str) -> [bool; 2] {
    let mut imap = Client::connect(served.imap);
    imap.line();
    let mut pop3 = Client::connect(served.pop3);
    pop3.line();
    pop3.send(&format!("USER {ANA}"));
    pop3.line();
    pop3.send(&format!("PASS {password}"));
    let by_pop3 = pop3.line().starts_with("+OK");
    pop3.send("QUIT");
    pop3.rest();
    [imap.ask(&format!("LOGIN {ANA} {password}")).last().unwrap().contains(" OK "), by_pop3]
}

#[test]
fn app_passwords_are_made_used_and_taken_away() {
    let place = Place::with_ana();
    let served = place.serve("");
    let added = place.reintegra(&["app-password", "add", ANA, "--label", "teléfono"]);
    assert_eq!(added.code(), Some(0), "{}", added.stderr);
    let password = added.stdout.trim_end();
    assert_eq!(added.stdout.lines().count(), 1, "the password and nothing else: {}", added.stdout);
    assert!(!added.stderr.contains(password));
    let [made] = &app_passwords(&place)[..] else { panic!("one was made") };
    assert_eq!((made["label"].as_str(), made["last_used_at"].as_str()), (Some("teléfono"), None));

    assert_eq!(opens(&served, password), [true, true]);
    let used = app_passwords(&place);
    assert!(used[0]["last_used_at"].is_string(), "{used:?}");
    assert_eq!(used[0]["last_address"], "127.0.0.1");
    assert!(["imap", "pop3"].contains(&used[0]["last_protocol"].as_str().unwrap()), "{used:?}");
    let listed = place.reintegra(&["app-password", "list", ANA]);
    assert!(listed.stdout.contains("teléfono") && listed.stdout.contains("from 127.0.0.1"), "{}", listed.stdout);
    assert!(!listed.stdout.contains(password));

    let number = made["number"].to_string();
    assert_eq!(place.reintegra(&["app-password", "remove", ANA, &number]).code(), Some(0));
    assert_eq!(opens(&served, password), [false, false]);
    assert_eq!(opens(&served, PASSWORD), [true, true], "the owner's own password is another matter");
    let again = place.reintegra(&["app-password", "remove", ANA, &number]);
    assert_eq!(again.code(), Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("now: `reintegra app-password list"), "{}", again.stderr);
    let nobody = place.reintegra(&["app-password", "add", "nobody@example.org", "--label", "x"]);
    assert_eq!(nobody.code(), Some(2), "{}", nobody.stderr);
    let log = stop(served);
    assert!(!log.contains(password), "{log}");
    place.is_sound();
}

#[test]
fn a_capability_that_is_off_is_neither_listed_nor_honoured() {
    let place = Place::with_ana();
    let served = place.serve("");
    let offers = |client: &mut Client| client.ask("CAPABILITY")[0].split(' ').any(|name| name == "MOVE");
    let mut before = Client::imap(served.imap, ANA, PASSWORD);
    assert!(offers(&mut before));
    let off = place.reintegra(&["capability", "off", ANA, "move"]);
    assert_eq!(off.code(), Some(0), "{}", off.stderr);
    assert!(offers(&mut before), "who is in keeps what was offered");
    let mut after = Client::imap(served.imap, ANA, PASSWORD);
    assert!(!offers(&mut after));
    after.ask("SELECT INBOX");
    assert!(after.ask("MOVE 1 Trash").last().unwrap().contains(" BAD "));
    let listed = place.reintegra(&["capability", "list", ANA, "--json"]);
    assert_eq!(serde_json::from_str::<Vec<String>>(&listed.stdout).unwrap(), ["MOVE"]);
    assert_eq!(place.reintegra(&["capability", "list", ANA]).stdout, "off: MOVE\n");
    assert_eq!(place.reintegra(&["capability", "on", ANA, "MOVE"]).code(), Some(0));
    assert!(offers(&mut Client::imap(served.imap, ANA, PASSWORD)));
    let nonsense = place.reintegra(&["capability", "off", ANA, "MOVE IT"]);
    assert_eq!(nonsense.code(), Some(2), "{}", nonsense.stderr);
    let slip = place.reintegra(&["capability", "off", ANA, "QRSYNC"]);
    assert_eq!(slip.code(), Some(2), "{}", slip.stderr);
    assert!(slip.stderr.contains("now: QRESYNC is meant?"), "{}", slip.stderr);
    let always = place.reintegra(&["capability", "off", ANA, "IMAP4rev1"]);
    assert_eq!(always.code(), Some(2), "it is always offered: {}", always.stderr);
    stop(served);
    place.is_sound();
}

#[test]
fn accounts_are_changed_while_many_sign_in() {
    let place = Place::with_ana();
    let served = place.serve("");
    std::thread::scope(|scope| {
        let signing_in = scope.spawn(|| (0..40).for_each(|_| drop(Client::imap(served.imap, ANA, PASSWORD))));
        for number in 0..6 {
            let label = format!("device {number}");
            let added = place.reintegra(&["app-password", "add", ANA, "--label", &label]);
            assert_eq!(added.code(), Some(0), "{}", added.stderr);
            assert_eq!(opens(&served, added.stdout.trim_end()), [true, true]);
        }
        signing_in.join().unwrap();
    });
    assert_eq!(app_passwords(&place).len(), 6);
    stop(served);
    place.is_sound();
}
