//! Programs of others, as Debian packs them.

use crate::world::*;
use smtp::Role;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::postfix::Postfix;

fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
fn swaks_sends_with_starttls_pipelining_and_a_sign_in() {
    if !testkit::has_programs(&["swaks"]) {
        return;
    }
    let world = World::queueing(Role::Submission, |_| {});
    let server = world.address.to_string();
    let common = ["--server", &server, "--from", ANA, "--to", EVA, "--tls", "--auth", "PLAIN"];
    let said =
        ran(Command::new("swaks").args(common).args(["--auth-user", ANA, "--auth-password", PASSWORD, "--pipeline"]));
    assert!(said.contains("250 2.0.0"), "{said}");
    assert!(world.inbox(EVA)[0].contains(" with ESMTPSA\r\n"));
    world.finish();
}

#[test]
fn msmtp_sends_over_tls() {
    if !testkit::has_programs(&["msmtp"]) {
        return;
    }
    let world = World::queueing(Role::Submission, |_| {});
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("msmtprc");
    let (host, port) = (world.address.ip(), world.address.port());
    let text = format!(
        "account default\nhost {host}\nport {port}\nfrom {ANA}\nauth plain\nuser {ANA}\npassword \"{PASSWORD}\"\n\
         tls on\ntls_starttls on\ntls_certcheck off\n"
    );
    std::fs::write(&config, text).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    let message = place.path().join("message");
    std::fs::write(&message, format!("From: {ANA}\nTo: {EVA}\nSubject: from msmtp\n\n.dot\n")).unwrap();
    let input = std::fs::File::open(&message).unwrap();
    ran(Command::new("msmtp").arg("-C").arg(&config).arg(EVA).stdin(input));
    assert!(world.inbox(EVA)[0].ends_with("Subject: from msmtp\r\n\r\n.dot\r\n"));
    world.finish();
}

#[test]
fn smtp_source_fills_a_mailbox() {
    const SOURCE: &str = "/usr/sbin/smtp-source";
    if !testkit::has_programs(&[SOURCE]) {
        return;
    }
    let world = World::new(Role::Mx);
    let server = format!("inet:{}", world.address);
    ran(Command::new(SOURCE).args(["-s", "5", "-m", "50", "-l", "4096", "-f", "a@b.example", "-t", ANA, &server]));
    assert_eq!(world.inbox(ANA).len(), 50);
    world.finish();
}

/// Postfix relays to us, and repeats nothing that it was answered.
#[test]
fn postfix_relays_in() {
    let world = World::new(Role::Mx);
    let Some(postfix) = Postfix::start(world.address, "").unwrap() else { return world.finish() };
    let mut client = Client::connect(postfix.smtp);
    client.says("220");
    client.is("EHLO mx.example.net", "250");
    for number in 0..20 {
        let mut text = format!("Subject: {number}.\n\n");
        write!(text, "..a line with dots\n{}\n", "x".repeat(900)).unwrap();
        client.is("MAIL FROM:<a@b.example>", "250");
        client.is(&format!("RCPT TO:<{ANA}>"), "250");
        client.is(&format!("RCPT TO:<{EVA}>"), "250");
        client.is("DATA", "354");
        client.send(format!("{}.\r\n", text.replace('\n', "\r\n")));
        client.says("250");
    }
    let by = Instant::now() + Duration::from_secs(60);
    while world.inbox(EVA).len() < 20 && Instant::now() < by {
        std::thread::sleep(Duration::from_millis(100));
    }
    for name in [ANA, EVA] {
        let inbox = world.inbox(name);
        assert_eq!(inbox.len(), 20, "{}", postfix.log());
        assert!((0..20).all(|n| inbox.iter().filter(|text| text.contains(&format!("Subject: {n}.\r\n"))).count() == 1));
        assert!(inbox[0].contains("\r\n.a line with dots\r\n"));
    }
    world.finish();
}
