//! A queue in a directory of its own, what its deliverers are told to do, and what they saw.

use edge::{Blocking, Shutdown, Stop};
use queue::{Deliver, Job, Queue, QueueSettings, Routes, Said, Srs, Verdict};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::OpenOptions;
use store::spool::{Envelope, Lane, NewRecipient, Notify, Purpose, QueueId, Spool};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const START_S: i64 = 1_795_353_538;
pub(crate) const HOST: &str = "mail.example.org";
/// Mail for these goes to the local deliverer.
pub(crate) const LOCAL: [&str; 2] = ["example.org", "fwd.example"];
pub(crate) const MESSAGE: &[u8] =
    b"From: <ana@example.org>\r\nMessage-ID: <1@example.org>\r\nSubject: =?utf-8?q?La_se=C3=B1al?=\r\n\r\nHola.\r\n";

pub(crate) struct World {
    pub(crate) queue: Arc<Queue>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) directory: TempDir,
    running: Option<(Stop, JoinHandle<()>)>,
}

/// Everybody mail goes to. What they do is said beforehand, in the order of tries; without a word they take the mail.
#[derive(Default)]
pub(crate) struct Peers {
    scripts: Mutex<HashMap<String, Vec<Does>>>,
    /// What everybody at a hop does, before anything else is asked.
    hops: Mutex<HashMap<String, Does>>,
    tries: Mutex<Vec<Try>>,
    running: AtomicUsize,
    running_at: Mutex<HashMap<String, usize>>,
    running_bytes: AtomicUsize,
    pub(crate) most: AtomicUsize,
    pub(crate) most_at_a_hop: AtomicUsize,
    pub(crate) most_bytes: AtomicUsize,
    /// How long a try takes.
    pub(crate) takes: Mutex<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Does {
    Says(Verdict),
    Hangs,
    Panics,
    SaysTooLittle,
}

/// Something a deliverer was given, and what it said to that.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) hop: String,
    pub(crate) address: String,
    pub(crate) notify: Notify,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) message: Arc<Vec<u8>>,
    pub(crate) local: bool,
    pub(crate) verdict: Verdict,
}

pub(crate) fn settings() -> QueueSettings {
    QueueSettings { srs: Some(Arc::new(Srs::new("fwd.example", b"secret"))), ..QueueSettings::new(HOST) }
}

pub(crate) fn said(server: &str, status: (u8, u16, u16), text: &str) -> Said {
    Said { server: Some(server.to_owned()), status, text: text.to_owned() }
}

pub(crate) fn unreached() -> Verdict {
    Verdict::Later(Said { server: None, status: (4, 4, 1), text: "connection refused".into() })
}

pub(crate) fn later() -> Verdict {
    Verdict::Later(said("mx.example.net", (4, 2, 2), "452 4.2.2 full"))
}

pub(crate) fn never() -> Verdict {
    Verdict::Never(said("mx.example.net", (5, 1, 1), "550 5.1.1 nobody of that name"))
}

pub(crate) fn relayed(tells: bool) -> Verdict {
    Verdict::Relayed { said: said("mx.example.net", (2, 0, 0), "250 2.0.0 taken"), tells }
}

impl World {
    pub(crate) fn new(settings: QueueSettings) -> World {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START_S));
        let queue = open(&directory, settings, &clock);
        World { queue, peers: Arc::default(), clock, directory, running: None }
    }

    /// Begins to send.
    pub(crate) fn run(&mut self) {
        let (stop, shutdown) = Shutdown::channel();
        let run = Arc::clone(&self.queue).run(Blocking::default(), self.peers.routes(), shutdown);
        self.running = Some((stop, tokio::spawn(run)));
    }

    /// Ceases to send, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.request();
        task.await.unwrap();
    }

    pub(crate) fn put(&self, envelope: Envelope, to: &[NewRecipient]) -> QueueId {
        self.put_message(envelope, to, MESSAGE)
    }

    pub(crate) fn put_message(&self, envelope: Envelope, to: &[NewRecipient], message: &[u8]) -> QueueId {
        self.queue.put(vec![Queue::mail(None, envelope, to.to_vec(), message)]).unwrap()[0]
    }

    pub(crate) fn submission(&self) -> Envelope {
        self.queue.envelope(Purpose::Submission, "ana@example.org")
    }

    pub(crate) fn spool(&self) -> &Spool {
        self.queue.spool()
    }

    pub(crate) fn now_s(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, s: i64) {
        self.clock.fetch_add(s, Ordering::SeqCst);
        self.queue.wake();
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: impl Fn(&World) -> bool) {
        for _ in 0..4000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not happen; waiting: {:#?}", self.spool().list(None, 5, &Default::default()));
    }

    fn is_quiet(&self) -> bool {
        let nothing = |lane| self.spool().due_hops(lane, self.now_s(), None, 1).unwrap().is_empty();
        Lane::ALL.into_iter().all(nothing)
    }

    /// Waits until nothing is due now.
    pub(crate) async fn until_quiet(&self) {
        self.until(World::is_quiet).await;
    }

    /// Lets time pass from one thing that is due to the next, until nothing waits.
    pub(crate) async fn until_empty(&self) {
        for _ in 0..10_000 {
            // A hop that is out of reach keeps what came since due: then time passes nevertheless.
            for _ in 0..40 {
                if self.is_quiet() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            match self.spool().next_due().unwrap() {
                None => return,
                Some(due_s) => self.pass((due_s - self.now_s()).max(30)),
            }
        }
        panic!("it never ends");
    }
}

pub(crate) fn open(directory: &TempDir, settings: QueueSettings, clock: &Arc<AtomicI64>) -> Arc<Queue> {
    let spool = Spool::open(&directory.path().join("queue"), OpenOptions::for_purpose("test")).unwrap();
    let clock = Arc::clone(clock);
    Queue::with_clock(Arc::new(spool), settings, Arc::new(move || clock.load(Ordering::SeqCst)))
}

impl Peers {
    pub(crate) fn routes(self: &Arc<Self>) -> Routes {
        Routes {
            is_local: Arc::new(|hop| LOCAL.contains(&hop)),
            local: Arc::new(Peer { peers: Arc::clone(self), local: true }),
            out: Arc::new(Peer { peers: Arc::clone(self), local: false }),
        }
    }

    /// What is done at the tries of an address; behind the last the mail is taken.
    pub(crate) fn script(&self, address: &str, does: &[Does]) {
        self.scripts.lock().unwrap().insert(address.to_owned(), does.to_vec());
    }

    /// What everybody at a hop does from now on; `None`: as they are told.
    pub(crate) fn at_hop(&self, hop: &str, does: Option<Does>) {
        let mut hops = self.hops.lock().unwrap();
        match does {
            Some(does) => _ = hops.insert(hop.to_owned(), does),
            None => _ = hops.remove(hop),
        }
    }

    pub(crate) fn tries(&self) -> Vec<Try> {
        self.tries.lock().unwrap().clone()
    }

    pub(crate) fn tries_of(&self, address: &str) -> usize {
        self.tries().iter().filter(|tried| tried.address == address).count()
    }

    /// What the local deliverer took for an address.
    pub(crate) fn mailbox(&self, address: &str) -> Vec<Vec<u8>> {
        let in_it = |t: &&Try| t.local && t.address == address && t.verdict == Verdict::Delivered;
        self.tries().iter().filter(in_it).map(|t| t.message.to_vec()).collect()
    }

    /// Addresses that were reached at a hop.
    pub(crate) fn reached(&self, hop: &str) -> HashSet<String> {
        let there = |t: &&Try| t.hop == hop && matches!(t.verdict, Verdict::Relayed { .. } | Verdict::Delivered);
        self.tries().iter().filter(there).map(|t| t.address.clone()).collect()
    }

    fn next(&self, address: &str, hop: &str, local: bool) -> Does {
        if let Some(does) = self.hops.lock().unwrap().get(hop) {
            return does.clone();
        }
        match self.scripts.lock().unwrap().get_mut(address).filter(|does| !does.is_empty()) {
            Some(does) => does.remove(0),
            None => Does::Says(if local { Verdict::Delivered } else { relayed(false) }),
        }
    }

    fn begins(&self, job: &Job) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let bytes = self.running_bytes.fetch_add(job.message.len(), Ordering::SeqCst) + job.message.len();
        self.most_bytes.fetch_max(bytes, Ordering::SeqCst);
        let mut at = self.running_at.lock().unwrap();
        let at = at.entry(job.hop.clone()).or_default();
        *at += 1;
        self.most_at_a_hop.fetch_max(*at, Ordering::SeqCst);
    }

    fn ends(&self, job: &Job) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.running_bytes.fetch_sub(job.message.len(), Ordering::SeqCst);
        *self.running_at.lock().unwrap().get_mut(&job.hop).unwrap() -= 1;
    }
}

struct Peer {
    peers: Arc<Peers>,
    local: bool,
}

impl Deliver for Peer {
    fn deliver(&self, job: Job) -> Pin<Box<dyn Future<Output = Vec<Verdict>> + Send + '_>> {
        Box::pin(async move {
            self.peers.begins(&job);
            let takes = *self.peers.takes.lock().unwrap();
            tokio::time::sleep(takes).await;
            let mut verdicts = Vec::new();
            for addressee in &job.recipients {
                match self.peers.next(&addressee.address, &job.hop, self.local) {
                    Does::Says(verdict) => verdicts.push(verdict),
                    Does::Hangs => std::future::pending().await,
                    Does::SaysTooLittle => {
                        self.peers.ends(&job);
                        return Vec::new();
                    }
                    Does::Panics => {
                        self.peers.ends(&job);
                        panic!("as it was told")
                    }
                }
            }
            // Only who comes so far took anything.
            let tries = job.recipients.iter().zip(&verdicts).map(|(addressee, verdict)| Try {
                hop: job.hop.clone(),
                address: addressee.address.clone(),
                notify: addressee.notify,
                envelope: Arc::clone(&job.envelope),
                message: Arc::clone(&job.message),
                local: self.local,
                verdict: verdict.clone(),
            });
            self.peers.tries.lock().unwrap().extend(tries);
            self.peers.ends(&job);
            verdicts
        })
    }
}

pub(crate) fn to(address: &str) -> NewRecipient {
    queue::recipient(address).unwrap()
}

pub(crate) fn to_asking(address: &str, success: bool, failure: bool, delay: bool) -> NewRecipient {
    NewRecipient { notify: Notify { success, failure, delay }, ..to(address) }
}

/// The values of a field in the fields for programs of a notification, in their order.
pub(crate) fn fields_of(dsn: &[u8], name: &str) -> Vec<String> {
    let dsn = String::from_utf8_lossy(dsn).replace("\r\n ", " ");
    let start = format!("{name}: ");
    dsn.lines().filter_map(|line| line.strip_prefix(&start).map(str::to_owned)).collect()
}
