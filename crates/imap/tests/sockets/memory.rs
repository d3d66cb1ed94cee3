//! What sessions cost that do nothing.

use super::support::{Client, PASSWORD, Server, shake_hands};
use edge::listen::Kind;
use imap::Times;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::CertificateDer;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What an idle session may take.
const LIMIT_KB: u64 = 100;

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// How many sessions this process may have open at both ends.
fn allowed_sessions() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, fewer sessions say the same about each.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    files.saturating_sub(200) / 2
}

fn resting() -> Times {
    Times { rest: Duration::from_millis(50), ..Times::default() }
}

/// Waits until memory grows no more: sessions come to rest in their own time.
fn settled_kb() -> u64 {
    let mut last = resident_kb();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = resident_kb();
        if now.abs_diff(last) < 256 {
            return now;
        }
        last = now;
    }
}

/// Runs another test of this file in a process of its own, where nothing else takes or gives memory.
fn alone(name: &str) {
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).args(["--exact", name, "--ignored", "--nocapture"]).status().unwrap();
    assert!(status.success());
}

#[test]
fn two_thousand_idle_sessions_fit_into_little() {
    alone("memory::two_thousand_idle_sessions");
}

#[test]
fn idle_sessions_inside_tls_and_deflate_fit_too() {
    alone("memory::idle_sessions_inside_tls_and_deflate");
}

#[test]
#[ignore = "run by another test"]
fn two_thousand_idle_sessions() {
    let sessions = allowed_sessions().min(2_000);
    let server = Server::with(Kind::StartTls, resting());
    let idle = || {
        let mut ana = server.ana();
        ana.ok("SELECT INBOX");
        ana.write(b"i IDLE\r\n");
        assert!(ana.line().starts_with("+ "));
        ana.into_transport()
    };
    let mut connections: Vec<_> = (0..100).map(|_| idle()).collect();
    let before = settled_kb();
    connections.extend((100..sessions).map(|_| idle()));
    let each = settled_kb().saturating_sub(before) / (sessions - 100);
    eprintln!("an idle session takes {each} KB");
    assert!(each < LIMIT_KB, "an idle session takes {each} KB");
    assert_eq!(server.caps.connections() as u64, sessions);
    // They are all there: one change reaches every one of them.
    server.ana().ok(&super::support::append("INBOX", "", "Subject: one\r\n\r\n"));
    for connection in connections {
        assert_eq!(Client::over(connection).line(), "* 1 EXISTS");
    }
    server.finish();
}

const ADDRESS: &str = "SOCKETS_TEST_ADDRESS";
const CERTIFICATE: &str = "SOCKETS_TEST_CERTIFICATE";

#[test]
#[ignore = "run by another test"]
fn idle_sessions_inside_tls_and_deflate() {
    let server = Server::with(Kind::Implicit, resting());
    let certificate: String = server.certificate().iter().map(|byte| format!("{byte:02x}")).collect();
    // The clients' side of TLS is in another process, so that it does not count.
    let clients = |count: u32, deflate: bool| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::clients_in_another_process", "--ignored", "--nocapture"])
            .env(ADDRESS, format!("{} {count} {deflate}", server.address))
            .env(CERTIFICATE, &certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("ready")));
        (child, said)
    };
    let mut children = Vec::new();
    for (name, deflate) in [("TLS", false), ("TLS and DEFLATE", true)] {
        // What the first few need is there for all.
        children.push(clients(50, deflate));
        let before = settled_kb();
        children.push(clients(600, deflate));
        let each = settled_kb().saturating_sub(before) / 600;
        eprintln!("an idle session inside {name} takes {each} KB");
        assert!(each < LIMIT_KB, "an idle session inside {name} takes {each} KB");
    }
    for (mut child, said) in children {
        drop(child.stdin.take());
        // It has more to say, and fails if nobody reads it.
        assert!(said.map_while(Result::ok).any(|line| line.contains("test result: ok")));
        assert!(child.wait().unwrap().success());
    }
    server.finish();
}

#[test]
#[ignore = "run by another test"]
fn clients_in_another_process() {
    let (Ok(what), Ok(certificate)) = (std::env::var(ADDRESS), std::env::var(CERTIFICATE)) else { return };
    let [address, count, deflate] = what.split(' ').collect::<Vec<_>>()[..] else { panic!("{what}") };
    let certificate: Vec<u8> =
        (0..certificate.len()).step_by(2).map(|at| u8::from_str_radix(&certificate[at..at + 2], 16).unwrap()).collect();
    let certificate = CertificateDer::from(certificate);
    let address: SocketAddr = address.parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..count.parse().unwrap() {
        let stream = shake_hands(TcpStream::connect(address).unwrap(), certificate.clone()).unwrap();
        let mut client = Client::over(Box::new(stream));
        client.line();
        client.ok(&format!("LOGIN ana@example.org {PASSWORD}"));
        if deflate == "true" {
            client.ok("COMPRESS DEFLATE");
            client.begin_deflate();
        }
        client.ok("SELECT INBOX");
        client.write(b"i IDLE\r\n");
        client.line();
        clients.push(client);
    }
    writeln!(std::io::stdout(), "ready").unwrap();
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
