//! Real servers: Postfix's `smtp-sink`, and Postfix itself as a smart host.

use crate::server::{Script, Server};
use crate::world::{LITERAL, MESSAGE, deliver, job, settings, words};
use queue::{Deliver, Outgoing, SmartHost, SmartHostTls};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use testkit::has_programs;
use testkit::postfix::Postfix;
use testkit::process::{Daemon, free_ports};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Starts `smtp-sink` with options; it keeps every message in a file of its own.
async fn sink(directory: &std::path::Path, options: &[&str]) -> (Daemon, u16) {
    let [address] = free_ports().unwrap();
    let mut command = Command::new("/usr/sbin/smtp-sink");
    command.args(options);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args(["-u", "root"]);
    }
    command.args(["-d", "m%M.", &address.to_string(), "100"]);
    let daemon = Daemon::spawn(command.current_dir(directory).stderr(Stdio::null())).unwrap();
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (daemon, address.port())
}

fn kept(directory: &std::path::Path) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(file.unwrap().path()).unwrap();
    files.map(read).filter(|text| !text.is_empty()).collect()
}

#[tokio::test]
async fn smtp_sink_keeps_what_it_was_sent() {
    if !has_programs(&["smtp-sink"]) {
        return;
    }
    // With groups of commands and without, and without EHLO.
    for options in [&[][..], &["-p"], &["-e"]] {
        let directory = tempfile::tempdir().unwrap();
        let (_daemon, port) = sink(directory.path(), options).await;
        let verdicts = deliver(settings(port), job(LITERAL, &["a@example.net", "b@example.net"])).await;
        assert_eq!(words(&verdicts), ["relayed 2.0.0", "relayed 2.0.0"], "{options:?}");
        let kept = kept(directory.path());
        let expected = MESSAGE.replace("\r\n", "\n");
        assert!(kept.len() == 1 && kept[0].contains(&expected), "{kept:?}");
    }
}

#[tokio::test]
async fn smtp_sink_that_fails_gets_nothing() {
    if !has_programs(&["smtp-sink"]) {
        return;
    }
    for (options, verdict) in [
        (["-q", "data"], "later 4.4.2"),
        (["-Q", "rcpt"], "later 4."),
        (["-r", "mail"], "later 4."),
        (["-r", "."], "later 4."),
        (["-f", "rcpt"], "never 5."),
        (["-f", "."], "never 5."),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (_daemon, port) = sink(directory.path(), &options).await;
        let verdicts = deliver(settings(port), job(LITERAL, &["a@example.net"])).await;
        assert!(words(&verdicts)[0].starts_with(verdict), "{options:?}: {verdicts:?}");
    }
}

#[tokio::test]
async fn many_messages_at_once_arrive_once_each() {
    if !has_programs(&["smtp-sink"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (_daemon, port) = sink(directory.path(), &[]).await;
    let outgoing = Arc::new(Outgoing::new(settings(port)).unwrap());
    let mut all = JoinSet::new();
    for number in 0..200 {
        let outgoing = Arc::clone(&outgoing);
        all.spawn(async move {
            let mut job = job(LITERAL, &["a@example.net"]);
            job.message = Arc::new(format!("Subject: number {number}.\r\n\r\n").into_bytes());
            outgoing.deliver(job).await
        });
    }
    while let Some(verdicts) = all.join_next().await {
        assert_eq!(words(&verdicts.unwrap()), ["relayed 2.0.0"]);
    }
    let kept = kept(directory.path());
    for number in 0..200 {
        let subject = format!("Subject: number {number}.");
        assert_eq!(kept.iter().filter(|text| text.contains(&subject)).count(), 1, "{number}");
    }
}

#[tokio::test]
async fn postfix_takes_our_mail_and_passes_it_on() {
    let server = Server::start(Script::with(&["PIPELINING", "8BITMIME"])).await;
    let Some(postfix) = Postfix::start(server.address, "").unwrap() else { return };
    let mut settings = settings(1);
    settings.smart_host = Some(SmartHost {
        host: postfix.smtp.ip().to_string(),
        port: postfix.smtp.port(),
        tls: SmartHostTls::Opportunistic,
        credentials: None,
        lmtp: false,
    });
    let mut job = job("example.net", &["a@example.net", "b@example.net"]);
    job.message = Arc::new("From: ana@example.org\r\nSubject: año\r\n\r\n.\r\nñ\r\n.\r\n".as_bytes().to_vec());
    let verdicts = deliver(settings, job).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0", "relayed 2.0.0"]);
    while server.seen().messages.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = server.seen().messages.remove(0);
    assert!(seen.ends_with("\r\n\r\n.\r\nñ\r\n.\r\n".as_bytes()), "{}", String::from_utf8_lossy(&seen));
}
