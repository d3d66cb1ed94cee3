//! rspamd: one that says what the test wants, and Debian's.

use crate::world::*;
use smtp::{OnFailure, Role, Rspamd};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use testkit::process::{Daemon, free_ports};

fn asking(address: SocketAddr, on_failure: OnFailure) -> World {
    World::queueing(Role::Mx, |settings| {
        settings.rspamd =
            Some(Rspamd { address, timeout: Duration::from_secs(5), junk_score: None, reject_score: None, on_failure });
    })
}

/// Something that answers one question after the other; what it was asked comes by the channel.
pub(crate) fn answering(answers: &[&str]) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, questions) = mpsc::channel();
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            let mut piece = [0; 4096];
            while !String::from_utf8_lossy(&question).contains("the end") {
                let count = stream.read(&mut piece).unwrap();
                if count == 0 {
                    break;
                }
                question.extend_from_slice(&piece[..count]);
            }
            stream.write_all(answer.as_bytes()).ok();
            asked.send(String::from_utf8_lossy(&question).into_owned()).ok();
        }
    });
    (address, questions)
}

pub(crate) fn http(json: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{json}", json.len())
}

const TEXT: &str = "X-Spam-Flag: NO\nReceived: by x; now\nSubject: a\n\nthe end\n";

#[test]
fn its_verdict_is_carried_out() {
    let refused = r#"{"action":"reject","score":20.0,"messages":{"smtp_message":"Gtube\r\n250 ok"}}"#;
    let (address, questions) = answering(&[
        &http(r#"{"action":"no action","score":0.5,"required_score":15.0}"#),
        &http(r#"{"action":"add header","score":7.5,"required_score":15.0}"#),
        &http(refused),
        &http(r#"{"action":"greylist","score":5.0}"#),
    ]);
    let world = asking(address, OnFailure::Accept);
    let mut client = world.hello();
    let mut send = || client.mail("a@b.example", &[ANA, EVA], TEXT);
    assert!(send().starts_with("250"));
    let message = &world.inbox(ANA)[0];
    assert!(message.contains("X-Spam-Score: 0.50\r\n") && !message.contains("X-Spam-Flag"), "{message}");
    let question = questions.recv().unwrap().to_lowercase();
    assert!(question.starts_with("post /checkv2 http/1.1\r\n"), "{question}");
    for field in
        ["ip: 127.0.0.1", "helo: mx.example.net", "from: a@b.example", "rcpt: ana@example.org", "rcpt: eva@example.org"]
    {
        assert!(question.contains(&format!("\r\n{field}\r\n")), "{question}");
    }
    assert!(
        question.ends_with("x-spam-flag: no\r\nreceived: by x; now\r\nsubject: a\r\n\r\nthe end\r\n"),
        "{question}"
    );
    let text = "X-Other: 1\n".to_owned() + TEXT;
    assert!(world.hello().mail("a@b.example", &[ANA], &text).starts_with("250"));
    let junk = &world.mailbox(ANA, "Junk")[0].0;
    assert!(junk.contains("X-Spam-Flag: YES\r\n") && !junk.contains("X-Spam-Flag: NO"), "{junk}");
    assert_eq!(send(), "550 5.7.1 Gtube250 ok");
    assert!(send().starts_with("451 4.7.1"));
    world.finish();
}

#[test]
fn one_that_fails_is_no_verdict() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(3_000_000));
    let failing = ["", "nonsense\r\n\r\n", "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", &http("[]"), &endless];
    let (address, _questions) = answering(&failing);
    let world = asking(address, OnFailure::Accept);
    for number in 0..failing.len() {
        let text = format!("X-Number: {number}\n{TEXT}");
        assert!(world.hello().mail("a@b.example", &[ANA], &text).starts_with("250"), "{number}");
    }
    assert_eq!(world.inbox(ANA).len(), failing.len());
    world.finish();

    let [nobody] = free_ports().unwrap();
    let world = asking(nobody, OnFailure::Later);
    assert!(world.hello().mail("a@b.example", &[ANA], TEXT).starts_with("451 4.7.1"));
    world.finish();
}

/// Debian's, with nothing but its own test patterns.
#[test]
fn debians_rspamd_marks_and_rejects() {
    if !testkit::has_programs(&["rspamd"]) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let at = place.path().display();
    let [address] = free_ports().unwrap();
    let config = format!(
        "options {{ pidfile = \"{at}/pid\"; tempdir = \"{at}\"; filters = \"\"; gtube_patterns = \"all\"; \
         enable_test_patterns = true; control_socket = \"{at}/control mode=0600\"; history_file = \"\"; \
         cache_file = \"{at}/cache\"; url_tld = \"{at}/tld\"; hs_cache_dir = \"{at}\"; dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 0.1s; }} }}\n\
         logging {{ type = \"file\"; filename = \"{at}/log\"; }}\n\
         worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n\
         actions {{ reject = 15; add_header = 6; }}\n"
    );
    let file = place.path().join("rspamd.conf");
    std::fs::write(&file, config).unwrap();
    // The list of Debian takes minutes to be compiled.
    std::fs::write(place.path().join("tld"), "com\n").unwrap();
    let mut command = Command::new("rspamd");
    command.args(["-f", "--insecure", "-c"]).arg(&file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut rspamd = Daemon::spawn(&mut command).unwrap();
    let log = || std::fs::read_to_string(place.path().join("log")).unwrap_or_default();
    assert!(rspamd.listens(&[address], log, "in use").unwrap());

    let world = asking(address, OnFailure::Later);
    let pattern = |letter: char| {
        format!("Subject: a\n\n{letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n")
    };
    let mut client = world.hello();
    assert!(client.mail("a@b.example", &[ANA], "Subject: a\n\nhello\n").starts_with("250"));
    assert!(client.mail("a@b.example", &[ANA], &pattern('X')).starts_with("550 5.7.1"));
    assert!(client.mail("a@b.example", &[ANA], &pattern('Y')).starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.mailbox(ANA, "Junk").len()), (1, 1));
    assert!(world.mailbox(ANA, "Junk")[0].0.contains("X-Spam-Flag: YES\r\n"));
    world.finish();
    rspamd.terminate();
}
