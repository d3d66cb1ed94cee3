//! A world to be served: a store and a directory in a temporary directory, and clients without sockets.

use crate::session::{Next, Session};
use crate::syntax::{Frame, Framer, FramerLimits};
use directory::{Directory, Domain, NewAccount};
use edge::{Peer, Policy, Protocol, ScramOffer, Services};
use message::Address;
use std::sync::Arc;
use std::time::Duration;
use store::{OpenOptions, Store};
use tempfile::TempDir;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "hierro-2602";

/// A server without sockets.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    _place: TempDir,
}

impl World {
    /// A world with the domain `example.org` and the account `ana@example.org`.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// As [`World::new`], under a policy of the test's.
    pub(crate) fn with(change: impl FnOnce(&mut Policy)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 1, OpenOptions::for_purpose("test")).unwrap();
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let domain =
            Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 1_200_000_000 };
        directory.write(|tx| tx.add_domain(&domain)).unwrap();
        let mut policy = Policy::new("mail.example.org");
        policy.failure_delay = Duration::ZERO;
        policy.scram = ScramOffer::Always;
        change(&mut policy);
        let services = Services::new(Arc::new(store), Arc::new(directory), policy);
        let world = World { services, _place: place };
        world.add_account("ana@example.org");
        world
    }

    /// Adds an account; everybody has the same password.
    pub(crate) fn add_account(&self, address: &str) {
        let mut account = NewAccount::new(Address::new(address).unwrap());
        account.password_hash = Some(directory::Secret::new(format!("{{PLAIN}}{PASSWORD}")));
        self.services.directory.write(|tx| tx.add_account(&account)).unwrap();
    }

    /// Gives Ana a quota, and a time until which it stops nothing.
    pub(crate) fn set_quota(&self, bytes: u64, grace_until: Option<i64>) {
        let mut account = self.account("ana@example.org");
        (account.quota_bytes, account.quota_grace_until) = (Some(bytes), grace_until);
        self.services.directory.write(|tx| tx.update_account(&account)).unwrap();
    }

    fn account(&self, address: &str) -> directory::Account {
        self.services.directory.account(&Address::new(address).unwrap()).unwrap().unwrap()
    }

    /// Switches a capability off for Ana.
    pub(crate) fn switch_off(&self, capability: &str) {
        let account = self.account("ana@example.org");
        assert!(self.services.directory.write(|tx| tx.switch_off(account.id, capability)).unwrap());
    }

    /// A client that just connected over TLS, and the greeting.
    pub(crate) fn stranger(&self) -> (Client, Vec<String>) {
        self.connect(true, false)
    }

    /// A client that just connected, and the greeting.
    pub(crate) fn connect(&self, secure: bool, can_start_tls: bool) -> (Client, Vec<String>) {
        let mut out = Vec::new();
        let session = Session::new(Arc::clone(&self.services), peer(secure), can_start_tls, &mut out);
        let client = Client {
            services: Arc::clone(&self.services),
            session,
            framer: Framer::new(FramerLimits::signed_in(self.services.policy.append_limit_bytes)),
            next: Next::Command,
        };
        (client, lines(&out))
    }

    /// A client of Ana's that is signed in.
    pub(crate) fn ana(&self) -> Client {
        self.client("ana@example.org")
    }

    /// A client that is signed in.
    pub(crate) fn client(&self, login: &str) -> Client {
        let (mut client, _) = self.stranger();
        // Let in without asking for the password: hashing takes its time.
        let mut out = Vec::new();
        let Next::SignIn(_) = client.session.command(format!("in LOGIN {login} x").as_bytes(), &mut out) else {
            panic!("LOGIN asks for a sign-in");
        };
        client.next = client.session.signed_in(self.services.open(self.account(login)), &mut out);
        assert!(text(&out).starts_with("in OK "), "{}", text(&out));
        client
    }

    /// Two clients of Ana's with INBOX open.
    pub(crate) fn two_in_inbox(&self) -> (Client, Client) {
        let (mut one, mut two) = (self.ana(), self.ana());
        one.ok("s SELECT INBOX");
        two.ok("s SELECT INBOX");
        (one, two)
    }

    /// Makes many mailboxes for Ana at once.
    pub(crate) fn make_mailboxes(&self, count: u32) {
        let address = Address::new("ana@example.org").unwrap();
        let write = |tx: &store::Tx<'_>| {
            let account = tx.account_or_new(store::LIVE, &address)?;
            for number in 0..count {
                let name = message::MailboxName::new(&format!("Many{number:05}")).unwrap();
                tx.create_mailbox(&account, &store::NewMailbox { name, ..store::inbox() })?;
            }
            Ok(())
        };
        self.services.store.cells()[0].write(write).unwrap();
    }

    /// Changes Ana's INBOX as an integration may.
    pub(crate) fn change_inbox(&self, change: impl FnOnce(&mut store::Mailbox)) {
        let write = |tx: &store::Tx<'_>| {
            let account = tx.account(store::LIVE, &Address::new("ana@example.org").unwrap())?.unwrap();
            let mut inbox = tx.mailboxes(account.id)?.into_iter().find(|mailbox| mailbox.name.is_inbox()).unwrap();
            change(&mut inbox);
            tx.raise_max_uidvalidity(account.id, inbox.uidvalidity.unwrap())?;
            tx.put_mailbox(account.id, &inbox)
        };
        self.services.store.cells()[0].write(write).unwrap();
    }

    /// Puts a copy of the newest message into Ana's INBOX under a UID, as an integration may.
    pub(crate) fn put_back(&self, uid: u32) {
        self.change_inbox(|inbox| inbox.highest_modseq += 1);
        let write = |tx: &store::Tx<'_>| {
            let account = tx.account(store::LIVE, &Address::new("ana@example.org").unwrap())?.unwrap();
            let inbox = tx.mailboxes(account.id)?.into_iter().find(|mailbox| mailbox.name.is_inbox()).unwrap();
            let newest = tx.message(account.id, inbox.id, inbox.uidnext - 1)?.unwrap();
            tx.put_message(account.id, inbox.id, &store::Message { uid, modseq: inbox.highest_modseq, ..newest })
        };
        self.services.store.cells()[0].write(write).unwrap();
    }

    /// Ends the test: what is stored is as it should be.
    pub(crate) fn finish(self) {
        let mut problems = Vec::new();
        for cell in self.services.store.cells() {
            problems.extend(cell.check().unwrap().problems);
        }
        assert_eq!(problems, Vec::new());
    }
}

fn peer(secure: bool) -> Peer {
    let address = "192.0.2.7:40000".parse().unwrap();
    Peer { address, secure, tls: secure, channel_binding: None, protocol: Protocol::Imap }
}

/// A client without a socket.
pub(crate) struct Client {
    services: Arc<Services>,
    session: Session,
    framer: Framer,
    next: Next,
}

impl Client {
    /// Sends a line, or several with their literals, and gives what is answered until the server waits again: one
    /// response an element, with the literals in it and without its CRLF.
    pub(crate) fn send(&mut self, command: &str) -> Vec<String> {
        self.send_bytes(command.as_bytes())
    }

    /// As [`Client::send`].
    pub(crate) fn send_bytes(&mut self, command: &[u8]) -> Vec<String> {
        lines(&self.raw(&[command, b"\r\n"].concat()))
    }

    /// Sends bytes as they are, and gives what is answered.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.framer.push(bytes);
        loop {
            self.framer.expect_line(matches!(self.next, Next::Line));
            match std::mem::replace(&mut self.next, Next::Command) {
                Next::Step => self.next = self.session.step(&mut out),
                Next::SignIn(attempt) => {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let peer = peer(true);
                    let asked = self.services.admission.sign_in(&self.services, &peer, attempt);
                    let outcome = runtime.block_on(asked);
                    self.next = self.session.signed_in(outcome, &mut out);
                }
                Next::StartTls => {
                    self.framer.take_unread();
                    self.session.tls_began(peer(true));
                }
                Next::Compress => {}
                Next::Close => {
                    self.next = Next::Close;
                    return out;
                }
                waiting @ (Next::Command | Next::Line) => match self.framer.next() {
                    None => {
                        self.next = waiting;
                        return out;
                    }
                    Some(Frame::ContinuationNeeded) => {
                        out.extend_from_slice(b"+ go on\r\n");
                        self.next = waiting;
                    }
                    Some(Frame::Command(command)) => self.next = self.session.command(&command, &mut out),
                    Some(Frame::Line(line)) => self.next = self.session.line(&line, &mut out),
                    Some(Frame::Refused(refused)) => self.next = self.session.refused(&refused, &mut out),
                },
            }
        }
    }

    /// Sends a command that must succeed, and gives what is answered before the tagged line.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: &str) -> Vec<String> {
        let (rest, last) = self.split(command);
        assert!(last.contains(" OK "), "{command}: {last}");
        rest
    }

    /// Sends a command that must succeed, and gives its tagged line without the tag.
    #[track_caller]
    pub(crate) fn ok_line(&mut self, command: &str) -> String {
        let (_, last) = self.split(command);
        let line = last.split_once(' ').map(|(_, line)| line.to_owned()).unwrap();
        assert!(line.starts_with("OK "), "{command}: {line}");
        line
    }

    /// Sends a command that must fail, and gives its tagged line without the tag.
    #[track_caller]
    pub(crate) fn fails(&mut self, command: &str) -> String {
        let (_, last) = self.split(command);
        let line = last.split_once(' ').map(|(_, line)| line.to_owned()).unwrap();
        assert!(line.starts_with("NO ") || line.starts_with("BAD "), "{command}: {line}");
        line
    }

    #[track_caller]
    fn split(&mut self, command: &str) -> (Vec<String>, String) {
        let tag = command.split(' ').next().unwrap().to_owned();
        let mut lines = self.send(command);
        let at = lines.iter().position(|line| line.starts_with(&format!("{tag} ")));
        let at = at.unwrap_or_else(|| panic!("{command}: no tagged answer in {lines:?}"));
        let last = lines.remove(at);
        lines.retain(|line| !line.starts_with("+ "));
        (lines, last)
    }

    /// What the server says unasked because the account changed.
    pub(crate) fn hears(&mut self) -> Vec<String> {
        assert!(self.session.watches(), "the session watches nothing");
        let mut out = Vec::new();
        self.next = self.session.changed(&mut out);
        lines(&out)
    }

    /// Whether changes would be told unasked.
    pub(crate) fn watches(&self) -> bool {
        self.session.watches()
    }

    /// Whether the server closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.next, Next::Close)
    }

    /// Appends a message with a subject, and flags, to a mailbox; gives its UID.
    #[track_caller]
    pub(crate) fn append(&mut self, mailbox: &str, subject: &str, flags: &str) -> u32 {
        let message = format!("Subject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n\r\n{subject}\r\n");
        self.append_bytes(mailbox, message.as_bytes(), flags)
    }

    /// Appends a message; gives its UID.
    #[track_caller]
    pub(crate) fn append_bytes(&mut self, mailbox: &str, message: &[u8], flags: &str) -> u32 {
        let command = format!("app APPEND {mailbox} ({flags}) {{{}+}}\r\n", message.len());
        let answer = self.send_bytes(&[command.as_bytes(), message].concat());
        let last = answer.last().unwrap();
        let code = last.split_once("[APPENDUID ").unwrap_or_else(|| panic!("{answer:?}")).1;
        code.split(' ').nth(1).unwrap().split(']').next().unwrap().parse().unwrap()
    }
}

/// Cuts what a server said into responses: each with its literals, without its CRLF.
pub(crate) fn lines(said: &[u8]) -> Vec<String> {
    let (mut responses, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(length) = said[at..].windows(2).position(|pair| pair == b"\r\n") {
        let end = at + length;
        let literal = said[begin..end].strip_suffix(b"}").and_then(|line| {
            let digits = line.rsplit(|byte| *byte == b'{').next()?;
            std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
        });
        match literal {
            Some(bytes) => at = end + 2 + bytes,
            None => {
                responses.push(text(&said[begin..end]));
                (begin, at) = (end + 2, end + 2);
            }
        }
    }
    assert_eq!(text(&said[begin..]), "", "a response has an end");
    responses
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
