//! Mail that goes out by way of exim: whole and over TLS, back to its sender where exim refuses it, and later where exim
//! puts it off.

use super::peers::{EVA, HOST, Smtp, arrives, by_way_of, letter};
use super::*;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Stdio;
use testkit::process::Daemon;

/// Names exim's program. Debian does not install it beside Postfix: it is taken out of `exim4-daemon-light`.
const VARIABLE: &str = "REINTEGRA_EXIM";
/// Whom exim does not know.
const NADIE: &str = "nadie@example.net";
/// For whom exim takes mail later.
const LUEGO: &str = "luego@example.net";
/// The number of the user and the group that exim serves as: nobody else has it.
const NUMBER: u32 = 65533;

/// A running exim that keeps what it takes as files. Dropping it ends it.
///
/// Debian's exim does not start without a user of its own. It sees one, in a mount namespace where two files of `/etc` are
/// others; there is none in the system.
struct Exim {
    // Dropped in this order: the process ends before its directory goes.
    process: Daemon,
    directory: TempDir,
    address: SocketAddr,
}

impl Exim {
    /// `None` where it cannot run, which is said.
    fn start() -> Option<Self> {
        let program = testkit::file_named_by(VARIABLE, "the program of Debian's exim4-daemon-light")?;
        if !testkit::has_programs(&["unshare", "mount"]) || !testkit::is_root("only root gives exim a user") {
            return None;
        }
        let started = (0..5).find_map(|_| Self::try_start(&program));
        Some(started.expect("exim finds a free port"))
    }

    fn try_start(program: &Path) -> Option<Self> {
        let everybody_enters = std::fs::Permissions::from_mode(0o755);
        let directory = tempfile::Builder::new().prefix("exim-").permissions(everybody_enters).tempdir().unwrap();
        let at = directory.path();
        let made = rcgen::generate_simple_self_signed(vec!["relay.example.net".to_owned()]).unwrap();
        std::fs::write(at.join("relay.pem"), made.signing_key.serialize_pem() + &made.cert.pem()).unwrap();
        for name in ["spool", "log", "mail"] {
            std::fs::create_dir(at.join(name)).unwrap();
        }
        for name in ["spool", "log", "mail", "relay.pem"] {
            chown(at.join(name), Some(NUMBER), Some(NUMBER)).unwrap();
        }
        let passwd =
            format!("root:x:0:0::/root:/bin/sh\nDebian-exim:x:{NUMBER}:{NUMBER}::/nonexistent:/usr/sbin/nologin\n");
        std::fs::write(at.join("passwd"), passwd).unwrap();
        std::fs::write(at.join("group"), format!("root:x:0:\nmail:x:8:\nDebian-exim:x:{NUMBER}:\n")).unwrap();
        std::fs::write(at.join("exim.conf"), configuration(at)).unwrap();

        let [address] = free_ports().unwrap();
        let script = "mount --bind passwd /etc/passwd && mount --bind group /etc/group && exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(program);
        command.arg("-C").arg(at.join("exim.conf")).arg("-bdf");
        command.args(["-oX", &format!("[{}]:{}", address.ip(), address.port())]).current_dir(at);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(at.join("said")).unwrap());
        let process = Daemon::spawn(&mut command).unwrap();
        let mut exim = Exim { process, directory, address };
        let log = log(exim.directory.path());
        exim.process.listens(&[address], log, "Address already in use").unwrap().then_some(exim)
    }

    /// From now on it takes mail for everybody whom it knows.
    fn opens(&self) {
        std::fs::write(self.directory.path().join("open"), "").unwrap();
    }

    /// Every message that it delivered, with CRLF.
    fn mail(&self) -> Vec<String> {
        // Made with the first message; a file is whole once it is here.
        let Ok(files) = self.directory.path().join("mail/new").read_dir() else { return Vec::new() };
        files.map(|file| testkit::files::log(&file.unwrap().path()).replace('\n', "\r\n")).collect()
    }

    /// Waits for a message for somebody.
    #[track_caller]
    fn delivers(&self, to: &str) -> String {
        let envelope = format!("\r\nEnvelope-to: {to}\r\n");
        let log = log(self.directory.path());
        await_that(&format!("{to} gets a message"), || self.mail().iter().any(|message| message.contains(&envelope)));
        let mut holding = self.mail();
        holding.retain(|message| message.contains(&envelope));
        assert_eq!(holding.len(), 1, "once: {holding:#?}\n{}", log());
        holding.remove(0)
    }
}

/// What an exim that works in a directory has written.
fn log(at: &Path) -> impl Fn() -> String + use<> {
    let files = ["said", "log/mainlog"].map(|name| at.join(name));
    move || files.iter().map(|file| testkit::files::log(file)).collect()
}

/// It takes mail for the whole world and keeps it. As it is not installed, it cannot begin itself anew to deliver: it
/// delivers as the user whom it serves as.
fn configuration(at: &Path) -> String {
    let at = at.display();
    format!(
        "primary_hostname = relay.example.net\nspool_directory = {at}/spool\nlog_file_path = {at}/log/%slog\n\
         keep_environment =\nhost_lookup =\nrfc1413_query_timeout = 0s\ndaemon_startup_retries = 0\n\
         deliver_drop_privilege\ntls_advertise_hosts = *\ntls_certificate = {at}/relay.pem\n\
         acl_smtp_rcpt = rcpt\nacl_smtp_data = accept\n\
         begin acl\nrcpt:\n\
         deny local_parts = nadie\n  message = 550 5.1.1 nobody of that name\n\
         defer local_parts = luego\n  condition = ${{if exists{{{at}/open}}{{no}}{{yes}}}}\n  \
         message = 451 4.2.1 come back later\n\
         accept\n\
         begin routers\neverybody:\n  driver = accept\n  transport = kept\n\
         begin transports\nkept:\n  driver = appendfile\n  directory = {at}/mail\n  maildir_format\n  \
         return_path_add\n  envelope_to_add\n  user = {NUMBER}\n  group = {NUMBER}\n"
    )
}

/// Who is still to get something, and what was last said of it.
fn waiting(place: &Place) -> Vec<(String, String)> {
    let listed: serde_json::Value = serde_json::from_str(&place.does(&["queue", "list", "--json"])).unwrap();
    let recipients = listed.as_array().unwrap().iter().flat_map(|entry| entry["recipients"].as_array().unwrap());
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    recipients.map(|recipient| (word(&recipient["address"]), word(&recipient["last"]))).collect()
}

#[test]
fn exim_gets_over_tls_what_was_sent_byte_for_byte() {
    let Some(exim) = Exim::start() else { return };
    let place = Place::with_people(&[ANA]);
    let served = place.serve(&by_way_of(exim.address));
    // RFC 5321 §4.5.3.1.6 has 998; a longer one is taken, and must not be cut either.
    let [long, longer] = [998, 5000].map(|length| "ñ".repeat(length / 2));
    let body = format!(
        "El año  que viene. \r\n.\r\n..\r\n.punto\r\n\r\nFrom here on.\r\n{long}\r\n{longer}\r\n\ttabs\t\r\n.\r\n\r\n"
    );
    let header = format!(
        "From: Ana <{ANA}>\r\nTo: {EVA}\r\nSubject: entera\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    );
    let stuffed = body.replace("\r\n.", "\r\n..");
    Smtp::signed_in(served.submission, ANA).takes(ANA, &[EVA], &format!("{header}\r\n{stuffed}"));

    let arrived = exim.delivers(EVA);
    let (arrived_header, arrived_body) = arrived.split_once("\r\n\r\n").expect("an empty line ends the header");
    assert_eq!(arrived_body, body);
    for line in header.lines() {
        assert!(arrived_header.contains(&format!("\r\n{line}")), "{line}: {arrived_header}");
    }
    assert!(arrived_header.starts_with(&format!("Return-path: <{ANA}>\r\n")), "{arrived_header}");
    let by_exim = arrived_header.split("\r\nReceived: ").nth(1).expect("exim writes one");
    assert!(by_exim.contains(HOST), "{by_exim}");
    assert!(by_exim.contains("with esmtps") && by_exim.contains("(TLS1.3)"), "{by_exim}");
    await_that("nothing waits", || waiting(&place).is_empty());
    stop(served);
    place.is_sound();
}

#[test]
fn whom_exim_refuses_is_reported_and_whom_it_puts_off_waits() {
    let Some(exim) = Exim::start() else { return };
    let place = Place::with_people(&[ANA]);
    let served = place.serve(&by_way_of(exim.address));
    let everybody = [EVA, NADIE, LUEGO];
    Smtp::signed_in(served.submission, ANA).takes(ANA, &everybody, &letter(ANA, EVA, "para tres"));

    exim.delivers(EVA);
    let report = arrives(&served, ANA, "report-type=");
    for line in [&format!("Final-Recipient: rfc822; {NADIE}"), "Action: failed", "Status: 5.1.1"] {
        assert!(report.contains(&format!("\r\n{line}\r\n")), "{line}: {report}");
    }
    assert!(report.contains("nobody of that name") && report.contains("Subject: para tres"), "{report}");
    assert!(!report.contains(LUEGO), "{report}");
    await_that("one waits alone, and exim's words are known", || match &waiting(&place)[..] {
        [(address, last)] => address == LUEGO && last.contains("come back later"),
        _ => false,
    });
    assert_eq!(exim.mail().len(), 1);

    exim.opens();
    place.does(&["queue", "retry", "--all"]);
    let arrived = exim.delivers(LUEGO);
    assert!(arrived.ends_with("\r\n\r\nHola, para tres.\r\n"), "{arrived}");
    await_that("nothing waits", || waiting(&place).is_empty());
    assert_eq!(exim.mail().len(), 2, "each of them once");
    stop(served);
    place.is_sound();
}
