//! A server of one store, and a client that knows nothing of it.

use directory::{Alias, AliasAddress, Directory, Domain, DomainAlias, NewAccount, Secret, Tx};
use edge::listen::{Caps, Connection, Kind, Limits, Listen};
use edge::tls::Tls;
use edge::{Blocking, Policy, Protocol, ScramOffer, Services, Shutdown, Stop};
use message::{Address, MailboxName};
use queue::{Queue, QueueSettings, Routes, Srs};
use smtp::{Local, Role, Settings};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use store::spool::{Envelope, Filter, Recipient, Spool};
use store::{LIVE, OpenOptions, Store};
use testkit::crashdisk::{CrashDisk, Mode};
use testkit::slowdisk::SlowDisk;

pub(crate) const ANA: &str = "ana@example.org";
pub(crate) const EVA: &str = "eva@example.org";
pub(crate) const PASSWORD: &str = "hierro-2602 dos";

/// How long a sync takes: that of a disk that turns.
const SYNC: Duration = Duration::from_millis(40);

/// A running server.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    settings: Arc<Settings>,
    queue: Option<Arc<Queue>>,
    pub(crate) address: SocketAddr,
    stop: Stop,
    runtime: tokio::runtime::Runtime,
    serving: tokio::task::JoinHandle<()>,
    place: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(role: Role) -> Self {
        Self::with(Settings::new(role))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::of_cells(1, settings)
    }

    pub(crate) fn of_cells(cells: u32, settings: Settings) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), cells, OpenOptions::for_purpose("test")).unwrap();
        Self::of(store, place, settings, true)
    }

    /// With a queue that nobody runs, and paths of forwarded mail rewritten.
    pub(crate) fn queueing(role: Role, change: impl FnOnce(&mut Settings)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 2, OpenOptions::for_purpose("test")).unwrap();
        let mut settings = Settings::new(role);
        settings.queue = Some(queue_in(&place.path().join("queue"), OpenOptions::for_purpose("test")));
        change(&mut settings);
        Self::of(store, place, settings, true)
    }

    /// With nobody signing in on a connection in the clear.
    pub(crate) fn strict(settings: Settings) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 1, OpenOptions::for_purpose("test")).unwrap();
        Self::of(store, place, settings, false)
    }

    /// With its mail on a disk that takes its time.
    pub(crate) fn on_slow_disk(settings: Settings) -> (Self, SlowDisk) {
        let (place, disk) = (tempfile::tempdir().unwrap(), SlowDisk::new(SYNC));
        let store = Store::init(&place.path().join("data"), 1, disk.options("test")).unwrap();
        (Self::of(store, place, settings, true), disk)
    }

    /// With its mail on a disk that can fail.
    pub(crate) fn on_crash_disk(cells: u32, settings: Settings) -> (Self, CrashDisk) {
        let place = tempfile::tempdir().unwrap();
        let live = place.path().join("disk/live");
        // What stands there when the disk is made is durable.
        drop(Store::init(&live, cells, OpenOptions::for_purpose("test")).unwrap());
        let disk = CrashDisk::new(&live).unwrap();
        let store = Store::open(disk.root(), disk.options("test")).unwrap();
        (Self::of(store, place, settings, true), disk)
    }

    /// With mail and queue on a disk that can fail.
    pub(crate) fn queueing_on_crash_disk(role: Role) -> (Self, CrashDisk) {
        let place = tempfile::tempdir().unwrap();
        let live = place.path().join("disk/live");
        drop(Store::init(&live.join("data"), 1, OpenOptions::for_purpose("test")).unwrap());
        drop(Spool::open(&live.join("queue"), OpenOptions::for_purpose("test")).unwrap());
        let disk = CrashDisk::new(&live).unwrap();
        let store = Store::open(&disk.root().join("data"), disk.options("test")).unwrap();
        let mut settings = Settings::new(role);
        settings.queue = Some(queue_in(&disk.root().join("queue"), disk.options("test")));
        (Self::of(store, place, settings, true), disk)
    }

    fn of(store: Store, place: tempfile::TempDir, settings: Settings, loopback_is_secure: bool) -> Self {
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let policy = Policy {
            failure_delay: Duration::ZERO,
            scram: ScramOffer::Never,
            loopback_is_secure,
            ..Policy::new("mail.example.org")
        };
        let services = Services::new(Arc::new(store), Arc::new(directory), policy);
        let tls = Tls::self_signed(&place.path().join("tls"), &["mail.example.org".to_owned()]).unwrap();
        let listen = Listen {
            protocol: Protocol::Submission,
            kind: Kind::StartTls,
            tls: Some(tls),
            loopback_is_secure,
            limits: Limits::default(),
            full: b"421 4.7.0 full\r\n",
        };
        let queue = settings.queue.clone();
        let settings = Arc::new(settings);
        let served = Arc::clone(&settings);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let asked = services.clone();
        let handler = move |connection: Connection| smtp::serve(connection, asked.clone(), served.clone());
        let serving = runtime.spawn(edge::listen::run(listener, listen, Caps::new(100, 100, 100), shutdown, handler));
        let world = World { services, settings, queue, address, stop, runtime, serving, place };
        world.domain("example.org");
        world.account(ANA, |_| {});
        world.account(EVA, |_| {});
        world
    }

    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, directory::DirectoryError>) -> T {
        self.services.directory.write(work).unwrap()
    }

    pub(crate) fn domain(&self, name: &str) {
        self.change(|tx| {
            tx.add_domain(&Domain { name: name.into(), customer_id: None, disabled: false, created_at: 1_200_000_000 })
        });
    }

    pub(crate) fn domain_alias(&self, from: &str, to: &str) {
        self.change(|tx| tx.put_domain_alias(&DomainAlias { from: from.into(), to: to.into() }));
    }

    /// Adds an account, with an INBOX.
    pub(crate) fn account(&self, address: &str, change: impl FnOnce(&mut NewAccount)) -> directory::AccountId {
        let address = Address::new(address).unwrap();
        let mut account = NewAccount::new(address.clone());
        account.password_hash = Some(Secret::new(format!("{{PLAIN}}{PASSWORD}")));
        change(&mut account);
        let id = self.change(|tx| tx.add_account(&account));
        self.services.store.cell_of(&address).open_served(&address).unwrap();
        id
    }

    /// An alias, or a catch-all where the address begins with `@`.
    pub(crate) fn alias(&self, address: &str, targets: &[&str]) {
        let address = match address.strip_prefix('@') {
            Some(domain) => AliasAddress::CatchAll(domain.to_owned()),
            None => AliasAddress::Exact(Address::new(address).unwrap()),
        };
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.change(|tx| tx.put_alias(&Alias { address, targets, enabled: true }));
    }

    /// The active script of an account.
    pub(crate) fn script(&self, address: &str, script: &str) {
        let id = self.services.directory.account(&Address::new(address).unwrap()).unwrap().unwrap().id;
        self.change(|tx| {
            tx.put_script(id, "mine", script.as_bytes())?;
            tx.activate_script(id, Some("mine"))
        });
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &Queue {
        self.queue.as_ref().unwrap()
    }

    /// Its spool.
    pub(crate) fn spool(&self) -> &Spool {
        self.queue().spool()
    }

    /// What waits in the queue.
    pub(crate) fn queued(&self) -> Vec<Waiting> {
        let spool = self.spool();
        let list = spool.list(None, 100, &Filter::default()).unwrap();
        let each = list.into_iter().map(|(queued, recipients)| Waiting {
            text: String::from_utf8(spool.bytes(&queued).unwrap()).unwrap(),
            envelope: queued.envelope,
            recipients,
        });
        each.collect()
    }

    /// Runs the queue, whose mail all goes to the mailboxes here, until nothing of it waits.
    pub(crate) fn run_queue(&self) {
        let queue = self.queue.clone().unwrap();
        let local = Arc::new(Local::new(self.services.clone(), self.settings.clone()));
        let asked = local.clone();
        let routes = Routes { is_local: Arc::new(move |hop| asked.is_hosted(hop)), local: local.clone(), out: local };
        let (stop, shutdown) = Shutdown::channel();
        let running = self.runtime.spawn(Arc::clone(&queue).run(Blocking::default(), routes, shutdown));
        for _ in 0..1000 {
            if queue.spool().counts().unwrap().messages == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.request();
        self.runtime.block_on(running).unwrap();
    }

    /// The messages in a mailbox of somebody's, and their flags and keywords in one line.
    pub(crate) fn mailbox(&self, address: &str, name: &str) -> Vec<(String, String)> {
        let (address, name) = (Address::new(address).unwrap(), MailboxName::new(name).unwrap());
        let read = self.services.store.cell_of(&address).read(|view| {
            let account = view.account(LIVE, &address)?.unwrap().id;
            let Some(mailbox) = view.mailbox_by_name(account, &name)? else { return Ok(Vec::new()) };
            let mut found = Vec::new();
            view.for_each_message(account, mailbox.id, |message, blob| {
                found.push((message, blob));
                Ok(())
            })?;
            let mut messages = Vec::new();
            for (message, blob) in found {
                let flags = message.flags.imap_names().map(str::to_owned);
                let words: Vec<String> = flags.chain(message.keywords.iter().map(ToString::to_string)).collect();
                messages.push((String::from_utf8(view.bytes(&blob)?).unwrap(), words.join(" ")));
            }
            Ok(messages)
        });
        read.unwrap()
    }

    /// The messages in somebody's INBOX.
    pub(crate) fn inbox(&self, address: &str) -> Vec<String> {
        inbox_in(&self.services.store, address)
    }

    /// A client that was greeted.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        assert!(client.reply().starts_with("220 mail.example.org "));
        client
    }

    /// A client that has introduced itself.
    pub(crate) fn hello(&self) -> Client {
        let mut client = self.client();
        client.is("EHLO mx.example.net", "250");
        client
    }

    /// Asks the server to end, without waiting.
    pub(crate) fn shut_down(&self) {
        self.stop.request();
    }

    /// Ends the server and yields what a loss of power then leaves on its disk.
    pub(crate) fn crash_image(self, disk: &CrashDisk) -> (std::path::PathBuf, tempfile::TempDir) {
        let image = disk.crash(Mode::DropAll).unwrap();
        self.stop.request();
        self.runtime.block_on(self.serving).unwrap();
        (image, self.place)
    }

    /// Ends the server, whose disk failed, and yields what a loss of power then leaves.
    pub(crate) fn crash(self, disk: &CrashDisk) -> Store {
        let (image, _place) = self.crash_image(disk);
        let store = Store::open(&image, OpenOptions::for_purpose("test")).unwrap();
        check(&store);
        store
    }

    /// Ends the server and checks all that it left.
    pub(crate) fn finish(self) {
        self.stop.request();
        self.runtime.block_on(self.serving).unwrap();
        drop(self.runtime);
        assert_eq!(self.services.directory.check_consistency().unwrap(), []);
        check(&self.services.store);
        if let Some(queue) = &self.queue {
            assert_eq!(queue.spool().check().unwrap().problems, [""; 0]);
        }
        drop(self.place);
    }
}

/// A message that waits in the queue.
pub(crate) struct Waiting {
    pub(crate) envelope: Envelope,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) text: String,
}

impl Waiting {
    /// Its recipients.
    pub(crate) fn to(&self) -> Vec<&str> {
        self.recipients.iter().map(|recipient| recipient.address.as_str()).collect()
    }
}

/// A queue of its own.
pub(crate) fn queue_in(place: &std::path::Path, options: OpenOptions) -> Arc<Queue> {
    let mut settings = QueueSettings::new("mail.example.org");
    settings.srs = Some(Arc::new(Srs::new("fwd.example.org", b"secret")));
    Queue::new(Arc::new(Spool::open(place, options).unwrap()), settings)
}

fn check(store: &Store) {
    for cell in store.cells() {
        let report = cell.check().unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}

/// The messages in somebody's INBOX.
pub(crate) fn inbox_in(store: &Store, address: &str) -> Vec<String> {
    let address = Address::new(address).unwrap();
    let cell = store.cell_of(&address);
    let mut messages = Vec::new();
    let read = cell.read(|view| {
        let Some(account) = view.account(LIVE, &address)? else { return Ok(()) };
        let inbox = view.mailbox_by_name(account.id, &MailboxName::inbox())?.unwrap().id;
        let mut blobs = Vec::new();
        view.for_each_message(account.id, inbox, |_, blob| {
            blobs.push(blob);
            Ok(())
        })?;
        for blob in blobs {
            messages.push(String::from_utf8(view.bytes(&blob)?).unwrap());
        }
        Ok(())
    });
    read.unwrap();
    messages
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

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// A reply, its lines joined by `|`; empty at the end of the connection.
    pub(crate) fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.trim_end_matches("\r\n").to_owned());
            if !goes_on {
                return lines.join("|");
            }
        }
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.reply()
    }

    /// Asks, and expects a reply that begins so.
    pub(crate) fn is(&mut self, command: &str, begins: &str) -> String {
        let reply = self.ask(command);
        assert!(reply.starts_with(begins), "{command}: {reply}");
        reply
    }

    /// Expects a reply that begins so.
    pub(crate) fn says(&mut self, begins: &str) {
        let reply = self.reply();
        assert!(reply.starts_with(begins), "{reply}");
    }

    /// Sends a message up to the reply to its end.
    pub(crate) fn mail(&mut self, from: &str, to: &[&str], text: &str) -> String {
        self.is(&format!("MAIL FROM:<{from}>"), "250 2.1.0");
        for to in to {
            self.is(&format!("RCPT TO:<{to}>"), "250 2.1.5");
        }
        self.is("DATA", "354");
        self.send(format!("{}.\r\n", text.replace('\n', "\r\n")));
        self.reply()
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.is_empty()
    }
}
