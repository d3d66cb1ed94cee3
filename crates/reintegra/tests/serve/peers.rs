//! What tests of mail on its way share: people, SMTP as a client speaks it, a server of others that keeps what it is
//! given, names, and programs of others.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use directory::{Alias, AliasAddress, Directory};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use testkit::dns_server::{DnsServer, Zones};
use testkit::process::Daemon;

pub(super) const BETO: &str = "beto@example.org";
/// Somebody at another server.
pub(super) const EVA: &str = "eva@example.net";
/// What the server is called, in its certificate too.
pub(super) const HOST: &str = "mail.example.org";

impl Place {
    /// A place with people at `example.org`, whom [`PASSWORD`] lets in.
    pub(super) fn with_people(people: &[&str]) -> Self {
        let place = Place::with_ana();
        let directory = place.directory();
        for person in people.iter().filter(|person| **person != ANA) {
            let account = NewAccount::new(Address::new(person).unwrap());
            let id = directory.write(|tx| tx.add_account(&account)).unwrap();
            directory.change_password(id, PASSWORD.as_bytes()).unwrap();
        }
        drop(directory);
        place
    }

    pub(super) fn directory(&self) -> Directory {
        Platform::open_directory(&self.data()).unwrap()
    }

    /// An alias; `@domain` is a catch-all.
    pub(super) fn alias(&self, address: &str, targets: &[&str]) {
        let address = match address.strip_prefix('@') {
            Some(domain) => AliasAddress::CatchAll(domain.to_owned()),
            None => AliasAddress::Exact(Address::new(address).unwrap()),
        };
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.directory().write(|tx| tx.put_alias(&Alias { address, targets, enabled: true })).unwrap();
    }

    /// Runs a command that must succeed; what it said.
    #[track_caller]
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let ran = self.reintegra(arguments);
        assert_eq!(ran.code(), Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        format!("{}{}", ran.stdout, ran.stderr)
    }

    /// As [`Place::does`], with something on standard input.
    #[track_caller]
    pub(super) fn is_told(&self, arguments: &[&str], input: &str) -> String {
        succeeds(&mut self.command(arguments), input)
    }

    /// A script that runs for an account.
    #[track_caller]
    pub(super) fn script(&self, account: &str, script: &str) {
        self.is_told(&["sieve", "put", account, "prueba"], script);
        self.does(&["sieve", "activate", account, "prueba"]);
    }
}

/// Configuration of a server that asks nobody for names and hands what goes out to one host, in the clear if it must.
pub(super) fn by_way_of(host: SocketAddr) -> String {
    format!(
        "hostname = \"{HOST}\"\nmx.dmarc = \"off\"\ndelivery.smart_host.address = \"{host}\"\n\
         delivery.smart_host.tls = \"opportunistic\"\n"
    )
}

/// A message that is found by its subject.
pub(super) fn letter(from: &str, to: &str, subject: &str) -> String {
    format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nHola, {subject}.\r\n")
}

/// The texts of a mailbox, by UID.
#[track_caller]
pub(super) fn mailbox(served: &Served, login: &str, name: &str) -> Vec<String> {
    let mailboxes = served.account(login, PASSWORD).unwrap();
    let found = mailboxes.into_iter().find(|mailbox| mailbox.name == name);
    let messages = found.map(|mailbox| mailbox.messages).unwrap_or_default();
    messages.into_iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

/// The one message of a mailbox that holds a text.
#[track_caller]
pub(super) fn one(served: &Served, login: &str, name: &str, text: &str) -> String {
    let mut holding = mailbox(served, login, name);
    holding.retain(|message| message.contains(text));
    assert_eq!(holding.len(), 1, "{login} has {text:?} in {name} once: {holding:#?}\n{}", served.log());
    holding.remove(0)
}

/// Waits for a message in an INBOX that holds a text.
#[track_caller]
pub(super) fn arrives(served: &Served, login: &str, text: &str) -> String {
    await_that(&format!("{login} gets {text:?}"), || {
        mailbox(served, login, "INBOX").iter().any(|message| message.contains(text))
    });
    one(served, login, "INBOX", text)
}

/// SMTP or LMTP as a client speaks it, a line at a time.
pub(super) struct Smtp(Client);

impl Smtp {
    /// A server that hands mail over.
    pub(super) fn relay(server: SocketAddr) -> Self {
        Smtp::greeted(server, "EHLO relay.example.net")
    }

    /// Another server of the house, over LMTP.
    pub(super) fn lmtp(server: SocketAddr) -> Self {
        Smtp::greeted(server, "LHLO inside.example.org")
    }

    /// A person.
    pub(super) fn signed_in(server: SocketAddr, login: &str) -> Self {
        let mut smtp = Smtp::greeted(server, "EHLO laptop.example.org");
        smtp.is(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{login}\0{PASSWORD}"))), "235");
        smtp
    }

    /// As [`Smtp::relay`]; `None`: the server is gone, or goes.
    #[track_caller]
    pub(super) fn try_relay(server: SocketAddr) -> Option<Self> {
        let mut smtp = Smtp(Client::try_connect(server).ok()?);
        let greeting = smtp.answer();
        let let_in = says_unless_gone(greeting, "220") && says_unless_gone(smtp.ask("EHLO relay.example.net"), "250");
        let_in.then_some(smtp)
    }

    fn greeted(server: SocketAddr, hello: &str) -> Self {
        let mut smtp = Smtp(Client::connect(server));
        let greeting = smtp.answer().unwrap_or_default();
        assert!(greeting.starts_with("220"), "{greeting}");
        smtp.is(hello, "250");
        smtp
    }

    /// A reply, its lines behind one another; `None`: the connection broke.
    pub(super) fn answer(&mut self) -> Option<String> {
        let mut whole = String::new();
        loop {
            let line = self.0.try_line()?;
            whole += &line;
            whole.push('\n');
            if line.get(3..4) != Some("-") {
                return Some(whole);
            }
        }
    }

    pub(super) fn ask(&mut self, command: &str) -> Option<String> {
        self.0.try_send(command).ok()?;
        self.answer()
    }

    /// Says something that must be answered so.
    #[track_caller]
    pub(super) fn is(&mut self, command: &str, code: &str) -> String {
        let answer = self.ask(command).unwrap_or_else(|| panic!("{command}: the connection broke"));
        assert!(answer.starts_with(code), "{command}: {answer}");
        answer
    }

    /// Brings a message; the reply that decided.
    pub(super) fn bring(&mut self, from: &str, to: &[&str], message: &str) -> Option<String> {
        let envelope = std::iter::once(format!("MAIL FROM:<{from}>"));
        for command in envelope.chain(to.iter().map(|to| format!("RCPT TO:<{to}>"))) {
            let answer = self.ask(&command)?;
            if !answer.starts_with("250") {
                self.ask("RSET")?;
                return Some(answer);
            }
        }
        let answer = self.ask("DATA")?;
        if !answer.starts_with("354") {
            return Some(answer);
        }
        self.ask(&format!("{message}."))
    }

    /// Brings a message that must be taken.
    #[track_caller]
    pub(super) fn takes(&mut self, from: &str, to: &[&str], message: &str) {
        let answer = self.bring(from, to, message).expect("the connection holds");
        assert!(answer.starts_with("250"), "{from} to {to:?}: {answer}");
    }
}

/// Whether a server that may be killed any moment answered so. One that goes down says so; everything else is a mistake of
/// ours.
#[track_caller]
pub(super) fn says_unless_gone(answer: Option<String>, code: &str) -> bool {
    let Some(answer) = answer else { return false };
    assert!(answer.starts_with(code) || answer.starts_with('4'), "{answer}");
    answer.starts_with(code)
}

/// A server of others: Postfix's `smtp-sink`, which keeps every message in a file. Dropping it ends it.
pub(super) struct Elsewhere {
    // Dropped in this order: the process ends before its directory goes.
    _process: Daemon,
    directory: TempDir,
    pub(super) address: SocketAddr,
}

impl Elsewhere {
    pub(super) fn is_there() -> bool {
        testkit::has_programs(&["smtp-sink"])
    }

    pub(super) fn start() -> Self {
        Elsewhere::with(&[])
    }

    /// `options` have it refuse.
    pub(super) fn with(options: &[&str]) -> Self {
        let [address] = free_ports().unwrap();
        Elsewhere::at(address, options)
    }

    /// As [`Elsewhere::with`], at an address.
    pub(super) fn at(address: SocketAddr, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = Command::new("smtp-sink");
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())).args(options);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "root"]);
        }
        command.args(["-d", "mail%M.", &address.to_string(), "100"]).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let mut process = Daemon::spawn(&mut command).unwrap();
        assert!(process.listens(&[address], || testkit::files::log(&log), "in use").unwrap(), "the port was taken");
        Elsewhere { _process: process, directory, address }
    }

    /// Every message that it has whole; LF ends its lines, and `X-Mail-Args` and `X-Rcpt-Args` hold the envelope.
    pub(super) fn mail(&self) -> Vec<String> {
        let files = self.directory.path().read_dir().unwrap().map(|file| file.unwrap().path());
        let mail = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("mail"));
        // Behind each it writes a line without anything.
        mail.map(|file| testkit::files::log(&file)).filter(|text| text.ends_with("\n\n")).collect()
    }

    pub(super) fn has(&self, text: &str) -> bool {
        self.mail().iter().any(|message| message.contains(text))
    }

    /// Waits for a message that holds a text.
    #[track_caller]
    pub(super) fn gets(&self, text: &str) -> String {
        await_that(&format!("{text:?} goes out"), || self.has(text));
        let mut holding = self.mail();
        holding.retain(|message| message.contains(text));
        assert_eq!(holding.len(), 1, "{text:?} goes out once: {holding:#?}");
        holding.remove(0)
    }
}

/// The message within what [`Elsewhere`] kept: below the fields that `smtp-sink` wrote, with CRLF.
pub(super) fn as_sent(kept: &str) -> String {
    let (_, rest) = kept.split_once("\nReceived: from ").expect("smtp-sink writes one");
    let own = rest.split_inclusive('\n').take_while(|line| !line.ends_with("+0000 (UTC)\n"));
    let length: usize = own.map(str::len).sum();
    let (_, message) = rest[length..].split_once('\n').expect("the field's last line");
    message.strip_suffix('\n').expect("a line without anything").replace('\n', "\r\n")
}

/// A DNS server, and what runs it.
pub(super) struct Names {
    pub(super) server: DnsServer,
    _runtime: tokio::runtime::Runtime,
}

impl Names {
    pub(super) fn serve(zones: Zones) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(DnsServer::start(zones)).unwrap();
        Names { server, _runtime: runtime }
    }

    /// Configuration of a server that asks this one.
    pub(super) fn configuration(&self) -> String {
        format!("dns.servers = [\"{}\"]\ndns.dnssec = \"off\"\n", self.server.address())
    }
}

/// Runs a program that must succeed; what it said.
#[track_caller]
pub(super) fn succeeds(command: &mut Command, input: &str) -> String {
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// Runs Debian's Python, which must succeed.
#[track_caller]
pub(super) fn python(script: &str, arguments: &[&str], input: &str) -> String {
    succeeds(Command::new("/usr/bin/python3").args(["-c", script]).args(arguments), input)
}
