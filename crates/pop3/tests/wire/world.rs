//! A server of one store, and a client that knows nothing of it.

use directory::{Directory, Domain, NewAccount, Pop3Before, Secret};
use edge::listen::{Caps, Connection, Kind, Limits, Listen};
use edge::tls::Tls;
use edge::{Policy, Protocol, ScramOffer, Services, Shutdown, Stop};
use message::{Address, Flags, examine};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use store::{
    Account, FlagChange, FlagMode, LIVE, MailboxId, Message, NewMessage, OpenOptions, Prepared, Store, Traits,
};
use testkit::crashdisk::{CrashDisk, Mode};

pub(crate) const ANA: &str = "ana@example.org";
pub(crate) const PASSWORD: &str = "hierro-2602 dos";

/// A running server.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    pub(crate) address: SocketAddr,
    stop: Stop,
    runtime: tokio::runtime::Runtime,
    serving: tokio::task::JoinHandle<()>,
    place: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(true, pop3::Times::default())
    }

    /// With or without the right to send passwords in the clear.
    pub(crate) fn with(loopback_is_secure: bool, times: pop3::Times) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 1, OpenOptions::for_purpose("test")).unwrap();
        Self::of(store, place, loopback_is_secure, times)
    }

    /// With its mail on a disk that can fail.
    pub(crate) fn on_crash_disk() -> (Self, CrashDisk) {
        let place = tempfile::tempdir().unwrap();
        let live = place.path().join("disk/live");
        // What stands there when the disk is made is durable.
        drop(Store::init(&live, 1, OpenOptions::for_purpose("test")).unwrap());
        let disk = CrashDisk::new(&live).unwrap();
        let store = Store::open(disk.root(), disk.options("test")).unwrap();
        (Self::of(store, place, true, pop3::Times::default()), disk)
    }

    fn of(store: Store, place: tempfile::TempDir, loopback_is_secure: bool, times: pop3::Times) -> Self {
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let domain =
            Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 1_200_000_000 };
        let mut ana = NewAccount::new(Address::new(ANA).unwrap());
        ana.password_hash = Some(Secret::new(format!("{{PLAIN}}{PASSWORD}")));
        directory
            .write(|tx| {
                tx.add_domain(&domain)?;
                tx.add_account(&ana)
            })
            .unwrap();
        let policy = Policy {
            failure_delay: Duration::ZERO,
            scram: ScramOffer::Always,
            loopback_is_secure,
            ..Policy::new("mail.example.org")
        };
        let services = Services::new(Arc::new(store), Arc::new(directory), policy);
        let tls = Tls::self_signed(&place.path().join("tls"), &["mail.example.org".to_owned()]).unwrap();
        let listen = Listen {
            protocol: Protocol::Pop3,
            kind: Kind::StartTls,
            tls: Some(tls),
            loopback_is_secure,
            limits: Limits::default(),
            full: b"-ERR full\r\n",
        };
        let settings = pop3::Settings { times, before: Pop3Before::SeenHide, locks: pop3::Locks::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let asked = services.clone();
        let handler = move |connection: Connection| pop3::serve(connection, asked.clone(), settings.clone());
        let serving = runtime.spawn(edge::listen::run(listener, listen, Caps::new(100, 100, 100), shutdown, handler));
        let world = World { services, address, stop, runtime, serving, place };
        let cell = &world.services.store.cells()[0];
        cell.open_served(&Address::new(ANA).unwrap()).unwrap();
        world
    }

    /// Ana's mail, and her INBOX.
    pub(crate) fn inbox(&self) -> (Account, MailboxId) {
        inbox_in(&self.services.store)
    }

    /// Puts a message into Ana's INBOX; its UID.
    pub(crate) fn deliver(&self, text: &str) -> u32 {
        let crlf = message::to_crlf(text.as_bytes());
        let bytes = Prepared::new(&crlf, &examine(&crlf));
        let message =
            NewMessage { bytes, flags: Flags::NONE, keywords: Vec::new(), internal_date: Some(1_700_000_000) };
        let (account, inbox) = self.inbox();
        let appended = self.services.store.cells()[0].append(account.id, inbox, vec![message]).unwrap().unwrap();
        appended.uids[0]
    }

    /// Changes a message's row in ways that only an integration does.
    pub(crate) fn change(&self, uid: u32, change: impl FnOnce(&mut Message)) {
        let (account, inbox) = self.inbox();
        let changed = self.services.store.cells()[0].write(|tx| {
            let mut message = tx.message(account.id, inbox, uid)?.unwrap();
            change(&mut message);
            tx.remove_message(account.id, inbox, uid)?;
            tx.put_message(account.id, inbox, &message)
        });
        changed.unwrap();
    }

    /// Comes from before the incident.
    pub(crate) fn brought_back(&self, uid: u32, internal_date: i64, seen: bool) {
        self.change(uid, |message| {
            message.traits = message.traits.with(Traits::OF_BEFORE);
            message.internal_date = internal_date;
            if seen {
                message.flags = message.flags | Flags::SEEN;
            }
        });
    }

    /// Another session's doing: a message is gone.
    pub(crate) fn expunge(&self, uid: u32) {
        let (account, inbox) = self.inbox();
        let cell = &self.services.store.cells()[0];
        let (mode, flags) = (FlagMode::Add, Flags::DELETED);
        let change = FlagChange { uids: vec![uid], unchanged_since: None, mode, flags, keywords: Vec::new() };
        cell.store_flags(account.id, inbox, change).unwrap().unwrap();
        assert_eq!(cell.expunge(account.id, inbox, Some(vec![uid])).unwrap().unwrap().uids, [uid]);
    }

    /// UIDs and flags of what is in Ana's INBOX.
    pub(crate) fn left(&self) -> Vec<(u32, Flags)> {
        left_in(&self.services.store)
    }

    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        assert!(client.line().starts_with("+OK "));
        client
    }

    /// A client that is in.
    pub(crate) fn signed_in(&self) -> Client {
        let mut client = self.client();
        client.ok(&format!("USER {ANA}"));
        client.ok(&format!("PASS {PASSWORD}"));
        client
    }

    /// Ends the server, whose disk failed, and yields what a loss of power then leaves.
    pub(crate) fn crash(self, disk: &CrashDisk) -> Vec<(u32, Flags)> {
        let image = disk.crash(Mode::DropAll).unwrap();
        self.stop.request();
        self.runtime.block_on(self.serving).unwrap();
        drop(self.runtime);
        let store = Store::open(&image, OpenOptions::for_purpose("test")).unwrap();
        for cell in store.cells() {
            let report = cell.check().unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
        }
        left_in(&store)
    }

    /// Ends the server and checks all that it left.
    pub(crate) fn finish(self) {
        self.stop.request();
        self.runtime.block_on(self.serving).unwrap();
        drop(self.runtime);
        assert_eq!(self.services.directory.check_consistency().unwrap(), []);
        for cell in self.services.store.cells() {
            let report = cell.check().unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
        }
        drop(self.place);
    }
}

fn inbox_in(store: &Store) -> (Account, MailboxId) {
    let address = Address::new(ANA).unwrap();
    let found = store.cells()[0].read(|view| {
        let account = view.account(LIVE, &address)?.unwrap();
        let inbox = view.mailbox_by_name(account.id, &message::MailboxName::inbox())?.unwrap().id;
        Ok((account, inbox))
    });
    found.unwrap()
}

fn left_in(store: &Store) -> Vec<(u32, Flags)> {
    let (account, inbox) = inbox_in(store);
    let mut left = Vec::new();
    let read = store.cells()[0].read(|view| {
        view.for_each_message(account.id, inbox, |message, _| {
            left.push((message.uid, message.flags));
            Ok(())
        })
    });
    read.unwrap();
    left
}

/// A client.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// A line of the server's without its ending; empty at the end of the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        String::from_utf8(line).unwrap().trim_end_matches("\r\n").to_owned()
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.line()
    }

    /// Asks, and takes no for no answer.
    pub(crate) fn ok(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
        answer
    }

    /// Asks, and expects a refusal that begins so.
    pub(crate) fn err(&mut self, command: &str, begins: &str) {
        let answer = self.ask(command);
        assert!(answer.starts_with(&format!("-ERR {begins}")), "{command}: {answer}");
    }

    /// The lines of an answer of many, dots undone, without the status and the last dot.
    pub(crate) fn lines(&mut self, command: &str) -> Vec<String> {
        self.ok(command);
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == "." {
                return lines;
            }
            lines.push(line.strip_prefix('.').map_or(line.clone(), str::to_owned));
        }
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.is_empty()
    }
}
