//! What must not go wrong when everything else does: a disk that is full, an end under load, clients that are slow, silent
//! or mad, and a log that many read.

use super::peers::{BETO, EVA, Elsewhere, Smtp, arrives, by_way_of, letter, mailbox};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spawned::Spawned;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::process::Daemon;

/// Room on the small disk, in MiB: what a fresh data directory needs, and some more.
const DISK_MIB: u32 = 32;

/// A disk of a few megabytes: a tmpfs that only the processes in a mount namespace of its own see, and that goes away with
/// the one that holds it. `None` where such a thing cannot be made.
struct SmallDisk {
    holder: Daemon,
    at: PathBuf,
}

impl SmallDisk {
    /// With a copy of a place's data directory on it.
    fn with(place: &Place) -> Option<Self> {
        if !testkit::has_programs(&["unshare", "nsenter", "mount"]) || !testkit::is_root("only root mounts a disk") {
            return None;
        }
        let at = place.path("disk");
        std::fs::create_dir(&at).unwrap();
        let script = "mount -t tmpfs -o size=\"$2\"m,mode=700 tmpfs \"$0\" && cp -a \"$1\" \"$0\"/data && \
                      touch \"$0\"/ready && exec sleep 3600";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        command.arg(&at).arg(place.data()).arg(DISK_MIB.to_string());
        let holder = Daemon::spawn(command.stdin(Stdio::null())).unwrap();
        let disk = SmallDisk { holder, at };
        await_that("the disk is there", || disk.seen("ready").exists());
        Some(disk)
    }

    /// A file on it, as this process sees it.
    fn seen(&self, name: &str) -> PathBuf {
        let inside = self.at.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.pid().to_string()).join("root").join(inside).join(name)
    }

    /// The program, on the data directory there.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.pid().to_string()).args(["--mount", "--", binary(), "--data"]);
        command.arg(self.at.join("data")).args(arguments);
        command
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.seen("ballast")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let piece = vec![0; size];
            while ballast.write(&piece).is_ok_and(|written| written > 0) {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.seen("ballast")).unwrap();
    }
}

/// How often each numbered message is in an INBOX, as IMAP tells it.
fn kept(imap: SocketAddr, login: &str) -> BTreeMap<u64, u32> {
    let mut client = Client::imap(imap, login, PASSWORD);
    client.ask("SELECT INBOX");
    let mut kept = BTreeMap::new();
    for line in client.ask("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])") {
        let id = line.strip_prefix("Message-ID: <").and_then(|rest| rest.split('@').next()?.parse().ok());
        if let Some(number) = id {
            *kept.entry(number).or_insert(0) += 1;
        }
    }
    kept
}

/// A message of some length that is known when it comes again: it has a date and a name.
fn told_apart(number: u64) -> String {
    format!("Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n{}{}\r\n", message(number), "x".repeat(7000))
}

#[test]
fn a_full_disk_puts_mail_off_and_loses_none() {
    let place = Place::with_people(&[ANA]);
    let Some(disk) = SmallDisk::with(&place) else { return };
    let [mx, submission, imap, nobody] = free_ports().unwrap();
    let config = place.write(
        "reintegra.toml",
        &format!(
            "mx.listen = [\"{mx}\"]\nmx.dmarc = \"off\"\nsubmission.listen = [\"{submission}\"]\n\
             submission.listen_tls = []\nimap.listen = [\"{imap}\"]\nimap.listen_tls = []\npop3.listen = []\n\
             pop3.listen_tls = []\nmanagesieve.listen = []\noperator.listen = \"\"\n\
             sign_in.loopback_without_tls = true\nsearch.index_in_background = false\n\
             delivery.smart_host.address = \"{nobody}\"\ndelivery.smart_host.tls = \"opportunistic\"\n"
        ),
    );
    let mut served = Spawned::start(disk.command(&["serve", "--config", config.to_str().unwrap()]), place.path("log"));
    assert!(served.says(" serving"), "{}", served.log());
    let mut smtp = Smtp::relay(mx);
    let bring = |smtp: &mut Smtp, number: u64| {
        let answer = smtp.bring(EVA, &[ANA], &told_apart(number));
        answer.unwrap_or_else(|| panic!("no. {number}: the connection broke"))
    };
    (0..5).for_each(|number| assert!(bring(&mut smtp, number).starts_with("250")));

    disk.fill();
    // What was set aside before may still be used up.
    let mut put_off = (5..2000).filter(|number| !bring(&mut smtp, *number).starts_with("250"));
    let first = put_off.next().expect("a full disk takes no more");
    let put_off: Vec<(u64, String)> = (first..first + 20).map(|number| (number, bring(&mut smtp, number))).collect();
    assert!(put_off.iter().any(|(_, answer)| answer.starts_with("452 4.3.1 ")), "{put_off:?}");
    assert!(put_off.iter().all(|(_, answer)| answer.starts_with(['2', '4'])), "none is refused for good: {put_off:?}");
    let mut sender = Smtp::signed_in(submission, ANA);
    let mut send = |number: u64| sender.bring(ANA, &[EVA], &told_apart(number)).expect("the connection holds");
    let (unsent, answer) = (0..250)
        .map(|number| (number, send(number)))
        .find(|(_, answer)| !answer.starts_with("250"))
        .expect("what goes out finds no room either");
    assert!(answer.starts_with('4'), "{answer}");
    let still = kept(imap, ANA);
    assert!((0..5).all(|number| still.contains_key(&number)), "mail can be read: {still:?}");

    // What was put off comes again, as it does from every relay and every person.
    disk.empty();
    await_that("there is room again", || bring(&mut smtp, first).starts_with("250"));
    for number in first..first + 30 {
        assert!(bring(&mut smtp, number).starts_with("250"), "no. {number}");
    }
    let again = send(unsent);
    assert!(again.starts_with("250"), "{again}");
    let expected: BTreeMap<u64, u32> = (0..first + 30).map(|number| (number, 1)).collect();
    assert_eq!(kept(imap, ANA), expected, "everything is there, and once");
    let (status, log) = served.end();
    assert!(status.success(), "{log}");
    let checked = run(&mut disk.command(&["check"])).unwrap();
    assert_eq!(checked.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    let waiting = run(&mut disk.command(&["queue", "list", "--json"])).unwrap();
    let waiting: Vec<serde_json::Value> = serde_json::from_str(&waiting.stdout).unwrap();
    assert_eq!(waiting.len() as u64, unsent + 1, "and everything that is to go out waits, once");
}

/// Clients that send side by side.
const CLIENTS: usize = 8;
/// Messages that one of them sends at most: fewer than an account may in an hour.
const MOST: u64 = 200;

#[test]
fn an_end_under_load_loses_nothing_and_doubles_nothing() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let (mx, submission, lmtp) = (served.mx, served.submission, served.lmtp);
    let (came, went) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let taken = AtomicUsize::new(0);
    let log = std::thread::scope(|scope| {
        for client in 0..CLIENTS as u64 {
            let (came, went, taken) = (&came, &went, &taken);
            scope.spawn(move || {
                let goes_out = client % 4 == 0;
                let mut smtp = match client % 4 {
                    0 => Smtp::signed_in(submission, if client == 0 { ANA } else { BETO }),
                    1 => Smtp::lmtp(lmtp),
                    _ => Smtp::relay(mx),
                };
                let (from, to) = match (goes_out, client) {
                    (true, 0) => (ANA, EVA),
                    (true, _) => (BETO, EVA),
                    _ => (EVA, ANA),
                };
                for number in client * MOST..(client + 1) * MOST {
                    let text = message(number).replacen(ANA, from, 1);
                    match smtp.bring(from, &[to], &text) {
                        Some(answer) if answer.starts_with("250") => {
                            if goes_out { went } else { came }.lock().unwrap().insert(number);
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(answer) if !answer.starts_with('4') => panic!("no. {number}: {answer}"),
                        _ => return,
                    }
                }
            });
        }
        await_that("mail goes in and out", || taken.load(Ordering::Relaxed) >= 100 && !went.lock().unwrap().is_empty());
        stop(served)
    });
    assert!(taken.load(Ordering::Relaxed) < CLIENTS * MOST as usize, "it ended under load");
    assert!(!log.contains("did not end in time") && !log.contains("panicked"), "{log}");
    place.is_sound();

    let served = place.serve(&by_way_of(elsewhere.address));
    let there = kept(served.imap, ANA);
    let (came, went) = (came.into_inner().unwrap(), went.into_inner().unwrap());
    for number in &came {
        assert_eq!(there.get(number), Some(&1), "no. {number} came in");
    }
    let id = |number: &u64| format!("Message-ID: <{number}@example.org>\n");
    await_that("everything goes out", || {
        place.reintegra(&["queue", "retry", "--all"]);
        let sent = elsewhere.mail().concat();
        went.iter().all(|number| sent.contains(&id(number)))
    });
    went.iter().for_each(|number| drop(elsewhere.gets(&id(number))));
    stop(served);
    place.is_sound();
}

/// Says what it finds to say, and never listens, until it would have to.
fn never_reads(server: SocketAddr, says: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    for _ in 0..2000 {
        if stream.write_all(says.as_bytes()).is_err() {
            break;
        }
    }
    stream
}

/// Begins TLS as a server wants it, and then says something else.
fn breaks_tls(server: SocketAddr, begins: &[&str], says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 4096];
    for line in begins {
        // The greeting, or the answer to the line before.
        assert!(stream.read(&mut answer).unwrap() > 0);
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }
    if !begins.is_empty() {
        assert!(stream.read(&mut answer).unwrap() > 0);
    }
    stream.write_all(says).unwrap();
    stream
}

/// The end of a connection, at which nothing is said in the clear.
#[track_caller]
fn is_ended(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.iter().all(|byte| *byte != b'\n'), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn the_slow_the_silent_and_the_mad_hold_up_nobody() {
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve("mx.dmarc = \"off\"\nlimits.shutdown_grace = \"2 s\"\n");
    let ports = [served.mx, served.submission, served.submissions, served.lmtp, served.managesieve];
    let silent: Vec<TcpStream> =
        ports.iter().flat_map(|port| [port; 15]).map(|port| TcpStream::connect(port).unwrap()).collect();
    let long = format!("NOOP {}\r\n", "y".repeat(400)).repeat(20);
    let deaf: Vec<TcpStream> =
        ports.iter().map(|port| never_reads(*port, &format!("EHLO a.example\r\nCAPABILITY\r\n{long}"))).collect();
    // In the middle of a command, an envelope, a message.
    let halves: Vec<TcpStream> = [
        "EHLO half.exa",
        "EHLO half.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\n",
        "EHLO half.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nSubject: half\r\n\r\nHal",
        "EHLO half.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\nBDAT 9999999 LAST\r\nSubject: half",
    ]
    .iter()
    .map(|text| {
        let mut stream = TcpStream::connect(served.mx).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    })
    .collect();
    let tls = [
        (served.submissions, &[][..]),
        (served.mx, &["EHLO a.example", "STARTTLS"]),
        (served.submission, &["EHLO a.example", "STARTTLS"]),
        (served.managesieve, &["STARTTLS"]),
    ];
    for garbage in [&b"EHLO a.example\r\nQUIT\r\n"[..], &[0xa5; 600], b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"] {
        tls.iter().for_each(|(port, begins)| is_ended(breaks_tls(*port, begins, garbage)));
    }
    // A handshake that begins well and never goes on.
    let unfinished = tls.map(|(port, begins)| breaks_tls(port, begins, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"));

    Smtp::relay(served.mx).takes(EVA, &[ANA], &letter(EVA, ANA, "by MX"));
    Smtp::lmtp(served.lmtp).takes(EVA, &[ANA], &letter(EVA, ANA, "by LMTP"));
    Smtp::signed_in(served.submission, BETO).takes(BETO, &[ANA], &letter(BETO, ANA, "by submission"));
    assert!(Client::connect(served.managesieve).line().starts_with("\"IMPLEMENTATION\""));
    let inbox = mailbox(&served, ANA, "INBOX");
    assert!(
        inbox.len() == 3
            && ["MX", "LMTP", "submission"].iter().all(|way| inbox.concat().contains(&format!("by {way}\r\n")))
    );
    let log = stop(served);
    assert!(!log.contains("panicked"), "{log}");
    drop((silent, deaf, halves, unfinished));
    place.is_sound();
}

/// Stands in headers and bodies of mail, in scripts and in answers.
const MARK: &str = "Popocatepetl-7719";
const WRONG: &str = "falsch-geheim-Quetzalcoatl";

#[test]
fn no_secret_and_no_mail_that_moves_is_in_the_log() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    place.does(&["dkim", "new", "example.org", "--kind", "rsa", "--selector", "uno"]);
    place.does(&["dkim", "activate", "example.org", "uno"]);
    let script = format!(
        "require [\"vacation\", \"reject\"];\r\nif header :contains \"Subject\" \"no\" {{ reject \"{MARK}\"; stop; }}\r\n\
         vacation :days 1 \"{MARK}\";\r\n"
    );
    place.script(BETO, &script);
    let refusing = Elsewhere::with(&["-f", "."]);
    let served = place.serve(&format!("{}log.level = \"debug\"\n", by_way_of(refusing.address)));

    let letter = |from: &str, to: &str| letter(from, to, MARK);
    let mut smtp = Smtp::relay(served.mx);
    smtp.takes("carlos@example.com", &[BETO, ANA], &letter("carlos@example.com", BETO));
    smtp.bring("carlos@example.com", &[BETO], &letter("carlos@example.com", BETO).replacen(MARK, "no", 1));
    for nonsense in [format!("NONSENSE {MARK}"), format!("MAIL FROM:<{MARK}"), format!("VRFY {MARK}")] {
        smtp.ask(&nonsense);
    }
    smtp.bring("", &[ANA], &format!("Subject: {MARK}\r\n\r\nbare\n.\r\n"));
    Smtp::lmtp(served.lmtp).takes(EVA, &[ANA], &letter(EVA, ANA));
    Smtp::signed_in(served.submission, ANA).takes(ANA, &[EVA, BETO], &letter(ANA, EVA));
    arrives(&served, ANA, "report-type=");
    let plain = |password: &str| STANDARD.encode(format!("\0{ANA}\0{password}"));
    for password in [PASSWORD, WRONG] {
        let mut login = Smtp::relay(served.submission);
        login.ask("AUTH LOGIN");
        login.ask(&STANDARD.encode(ANA));
        login.ask(&STANDARD.encode(password));
        let mut initial = Smtp::relay(served.submission);
        initial.ask(&format!("AUTH PLAIN {}", plain(password)));
        let mut misplaced = Smtp::relay(served.mx);
        misplaced.ask(&format!("AUTH PLAIN {}", plain(password)));
        misplaced.ask(&format!("MAIL FROM:<{password}>"));
        let mut sieve = Client::connect(served.managesieve);
        sieve.send(&format!("AUTHENTICATE \"PLAIN\" \"{}\"", plain(password)));
        sieve.send(&format!("PUTSCRIPT \"{MARK}\" {{{}+}}\r\n# {MARK}", MARK.len() + 2));
        sieve.send("LOGOUT");
        sieve.rest();
    }
    place.does(&["queue", "list"]);
    let log = stop(served);
    let directory = place.directory();
    let account = directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap();
    let hash = account.password_hash.unwrap();
    let mut secrets = vec![MARK.to_owned(), "PRIVATE KEY".to_owned()];
    for password in [PASSWORD, WRONG] {
        secrets.extend([password.to_owned(), STANDARD.encode(password), plain(password)]);
    }
    secrets.extend(hash.expose().split('$').filter(|part| part.len() > 16).map(str::to_owned));
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} stands in the log:\n{log}");
    }
    assert!(log.contains("a message came in") && log.contains("not signed in") && log.contains(ANA), "{log}");
    drop(directory);
    place.is_sound();
}
