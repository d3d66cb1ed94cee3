//! Sends what is due.
//!
//! One task takes what is due, fairly among hops; each job is a task of its own; one task writes down what became of the
//! jobs, many at a time. A message is *taken* from when its job begins until what became of it is in the spool: it is not
//! taken again meanwhile, and no operator's action touches it. That mark is in memory alone. Whoever kills the process
//! between a server's 250 and the spool's commit sends the message again, and never loses it (RFC 1047).

use crate::hops::{AUTOMATIC_PART, Follows, Hops, Reach, Share};
use crate::job::{Addressee, Job, Said, Verdict};
use crate::judge::{Ending, Judged, judge};
use crate::queue::{Queue, Routes};
use edge::{Blocking, Shutdown};
use std::sync::Arc;
use std::time::Duration;
use store::spool::{DueHop, Lane, Notify, Queued, Recipient, Settled, Settlement, State};
use store::{Class, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Hops that are looked at beyond those from which nothing can be taken.
const HOPS_AT_ONCE: usize = 64;
/// Hops of automatic mail that are looked at for mailboxes here, where that for other servers may not begin.
const HOPS_PASSED: usize = 256;
/// Jobs whose results are written down in one commit, at most.
const RESULTS_AT_ONCE: usize = 256;
/// How long what was written may be lost to a power cut: it would be sent again.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether something is due where nobody says so: a clock may jump.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How soon it is looked again where something is due and could not be taken.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long the spool is left alone when it fails.
const PAUSE: Duration = Duration::from_secs(2);
/// How often the spool may refuse for good what a batch brings, before those results are let go.
const MAX_REFUSED: usize = 3;
/// A job that takes longer hangs: a thousand recipients at five minutes each would, and no server is worth it.
const MAX_JOB: Duration = Duration::from_secs(3 * 3600);
/// How often the spool is measured and tidied.
const TIDY_EVERY: Duration = Duration::from_secs(15);
/// What memory is counted in.
const PAGE_BYTES: usize = 4096;
/// Messages of a hop out of reach that are told so in one step, and steps behind one failed try.
const REFRESH_AT_ONCE: usize = 200;
const REFRESH_STEPS: usize = 100;
/// Recipients that are given up in one step because nobody could be told of them for so long.
const UNTOLD_AT_ONCE: usize = 256;
/// Mail of a hop out of reach that was due for so long is told so, in seconds.
const REFRESH_OLDER_S: i64 = 3600;

/// A message and those of its recipients that are tried at a hop.
#[derive(Debug)]
struct Work {
    message: Queued,
    recipients: Vec<Recipient>,
    hop: String,
    local: bool,
    share: Share,
}

/// How a job ended.
#[derive(Debug)]
struct Tried {
    work: Work,
    bytes: Option<Arc<Vec<u8>>>,
    end: End,
    /// What follows for the hop, once that was found out.
    follows: Option<Follows>,
    _memory: Vec<OwnedSemaphorePermit>,
}

/// How many recipients ended how, for the metrics.
type Outcomes = Vec<(&'static str, u64)>;

#[derive(Debug)]
enum End {
    /// With a verdict for each recipient.
    Verdicts(Vec<Verdict>),
    /// Its bytes cannot be had.
    Unreadable(StoreError),
}

/// A hop from which something may be taken.
struct Candidate {
    due: DueHop,
    lane: Lane,
    /// Whether it is hosted here, where that was found out already.
    local: Option<bool>,
}

/// What there was to take.
struct Taken {
    work: Vec<Work>,
    /// When to look again, in seconds since 1970 UTC; `None`: nothing waits.
    next_s: Option<i64>,
}

/// What jobs share.
struct Shared {
    queue: Arc<Queue>,
    blocking: Blocking,
    routes: Routes,
    /// Pages of memory for messages.
    memory: Arc<Semaphore>,
    pages: usize,
    /// Those of them that automatic mail for other servers may have, with one message at least.
    automatic_memory: Arc<Semaphore>,
    automatic_pages: usize,
}

impl Queue {
    /// Sends what is due until shutdown is asked for; then jobs that run get a while to end. To be called once at a time.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: what was tried and is not written down is tried again when it is called again.
    pub async fn run(self: Arc<Self>, blocking: Blocking, routes: Routes, mut shutdown: Shutdown) {
        let limits = self.settings.limits;
        self.hops().begin();
        let pages = (limits.message_bytes / PAGE_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let memory = Arc::new(Semaphore::new(pages));
        let automatic_pages = (pages / AUTOMATIC_PART).max(1);
        let automatic_memory = Arc::new(Semaphore::new(automatic_pages));
        let shared =
            Arc::new(Shared { queue: self, blocking, routes, memory, pages, automatic_memory, automatic_pages });
        let queue = &shared.queue;

        let (results, tried) = mpsc::channel(limits.jobs.max(1));
        // Owned, so that dropping this future ends them.
        let mut settler = JoinSet::new();
        settler.spawn(settle_all(Arc::clone(&shared), tried));
        let mut upkeep = JoinSet::new();
        upkeep.spawn(keep_up(Arc::clone(&shared)));
        let mut jobs = JoinSet::new();

        while !shutdown.is_requested() {
            let wait = match shared.take().await {
                Ok(Taken { work, next_s }) => {
                    for work in work {
                        jobs.spawn(Arc::clone(&shared).job(work, results.clone()));
                    }
                    wait_for(next_s, queue.now_s())
                }
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    PAUSE
                }
            };
            tokio::select! {
                () = shutdown.requested() => {}
                () = queue.wake.notified() => {}
                () = sleep(wait) => {}
            }
            while jobs.try_join_next().is_some() {}
        }

        let _ = timeout(limits.grace, async { while jobs.join_next().await.is_some() {} }).await;
        if !jobs.is_empty() {
            tracing::warn!(jobs = jobs.len(), "deliveries are broken off; they are tried again at the next start");
        }
        jobs.shutdown().await;
        upkeep.shutdown().await;
        drop(results);
        let _ = timeout(limits.grace, settler.join_next()).await;
    }

    /// Takes what is due and there is room for. Blocks.
    fn take(&self, is_local: &dyn Fn(&str) -> bool) -> Result<Taken, StoreError> {
        let now_s = self.now_s();
        let mut hops = self.hops();
        let mut work = Vec::new();
        if hops.free() == 0 {
            return Ok(Taken { work, next_s: None });
        }
        let mut candidates = Vec::new();
        for lane in Lane::ALL {
            candidates.extend(self.candidates(&mut hops, lane, now_s, is_local)?);
        }
        // Who has the fewest jobs first, then who waits longest.
        candidates.sort_by_cached_key(|one| (hops.room(&one.due.hop, Share::Common, now_s).1, one.due.due_s));
        let mut failed = None;
        for Candidate { due, lane, local } in candidates {
            if hops.room(&due.hop, Share::Common, now_s).0 == 0 {
                continue;
            }
            // There may be any number of these, and the directory is not asked about all of them at each time: those that are
            // hosted here are come upon by looking past the others.
            if lane == Lane::Automatic && local.is_none() && hops.free_automatic() == 0 {
                continue;
            }
            let local = local.unwrap_or_else(|| is_local(&due.hop));
            let share = Share::of(lane, local);
            let (room, taken) = hops.room(&due.hop, share, now_s);
            if room == 0 {
                continue;
            }
            // Those that are being tried are due too, and stand first.
            let waiting = match self.spool.due(&due.hop, lane, now_s, room + taken) {
                Ok(waiting) => waiting,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let mut left = room;
            for (message, mut recipients) in waiting {
                recipients.retain(|r| r.state == State::Waiting && r.hop == due.hop && r.due_s <= now_s);
                if left == 0 || recipients.is_empty() || hops.is_taken(&due.hop, message.id) {
                    continue;
                }
                left -= 1;
                hops.take(&due.hop, message.id, share);
                work.push(Work { message, recipients, hop: due.hop.clone(), local, share });
            }
        }
        // What was taken is tried, whatever else fails: it is not taken again.
        match (failed.map_or_else(|| self.spool.next_due(), Err), work.is_empty()) {
            (Ok(next_s), _) => Ok(Taken { work, next_s }),
            (Err(error), true) => Err(error),
            (Err(_), false) => Ok(Taken { work, next_s: Some(now_s) }),
        }
    }

    /// Hops of a lane with something due from which it may be taken.
    fn candidates(
        &self,
        hops: &mut Hops,
        lane: Lane,
        now_s: i64,
        is_local: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Candidate>, StoreError> {
        let has_room = |hops: &Hops, due: &DueHop| hops.room(&due.hop, Share::Common, now_s).0 > 0;
        let candidate = |due, local| Candidate { due, lane, local };
        let mut found = Vec::new();
        if lane == Lane::Sent || hops.free_automatic() > 0 {
            let due = self.spool.due_hops(lane, now_s, None, hops.closed_at_most() + HOPS_AT_ONCE)?;
            found.extend(due.into_iter().filter(|due| has_room(hops, due)).map(|due| candidate(due, None)));
        }
        if lane == Lane::Sent || !hops.may_pass(Instant::now().into_std()) {
            return Ok(found);
        }
        // Mailboxes here may have some at any time. Before them may stand any number of others, as slow as they like: a piece of
        // them is looked through at each time, so that none of them is passed over for ever and no time goes on too long.
        let page = self.spool.due_hops(lane, now_s, hops.passed(), HOPS_PASSED)?;
        hops.pass(page.last().filter(|_| page.len() == HOPS_PASSED).cloned());
        let here = page.into_iter().filter(|due| has_room(hops, due) && is_local(&due.hop));
        found.extend(here.map(|due| candidate(due, Some(true))));
        Ok(found)
    }

    /// Writes down what became of jobs: one commit for all of them. Blocks.
    fn settle(&self, tried: &mut [Tried]) -> Result<(), StoreError> {
        let now_s = self.now_s();
        let mut settlements = Vec::new();
        let mut outcomes = Vec::new();
        for tried in tried.iter_mut() {
            let (settled, counted) = self.settlements_of(tried, now_s)?;
            settlements.extend(settled);
            outcomes.extend(counted);
        }
        self.spool.settle(settlements, false)?;
        let mut hops = self.hops();
        for tried in tried.iter() {
            hops.settled(&tried.work.hop, tried.work.message.id);
        }
        drop(hops);
        for (outcome, count) in outcomes {
            metrics::counter!("reintegra_queue_recipients_total", "outcome" => outcome).increment(count);
        }
        Ok(())
    }

    fn settlements_of(&self, tried: &mut Tried, now_s: i64) -> Result<(Vec<Settlement>, Outcomes), StoreError> {
        let Work { message, recipients, hop, local, .. } = &tried.work;
        let verdicts = match &tried.end {
            End::Verdicts(verdicts) => verdicts,
            End::Unreadable(error) => {
                let numbers = recipients.iter().map(|r| r.number);
                return Ok((
                    vec![unreadable(message, numbers, error, now_s)],
                    vec![("unreadable", recipients.len() as u64)],
                ));
            }
        };
        // Found out once, however often it takes to write it down.
        let follows = *tried.follows.get_or_insert_with(|| {
            let reach = match () {
                // A mailbox that is full says nothing about the others.
                () if *local => Reach::Served,
                // What this message demands, others may not.
                () if message.envelope.require_tls && reach(verdicts) == Reach::Unreached => Reach::Unknown,
                () => reach(verdicts),
            };
            self.hops().ended(hop, reach, message.envelope.purpose, now_s)
        });
        let hop_retry_s = match follows {
            Follows::Out { retry_s } | Follows::StillOut { retry_s } => Some(retry_s),
            Follows::Nothing => None,
        };
        let endings = recipients.iter().zip(verdicts).map(|(r, v)| (r, Ending::Tried(v.clone()))).collect();
        let judged = judge(&self.settings.schedule, message, endings, hop_retry_s, now_s);
        let outcomes = judged.outcomes.clone();
        let bytes = tried.bytes.clone();
        let load = || bytes.map_or_else(|| self.spool.bytes(message).map(Arc::new), Ok);
        Ok((self.settlements(message, judged, now_s, load)?, outcomes))
    }

    /// Tells mail of a hop that could not be reached that it was not, without a try of its own: what is given up is, and
    /// who waits for long hears of it. Blocks.
    fn refresh(&self, hop: &str, said: &Said, retry_s: i64) -> Result<(), StoreError> {
        for step in 0..REFRESH_STEPS {
            let hops = self.hops();
            let now_s = self.now_s();
            let (_, taken) = hops.room(hop, Share::Common, now_s);
            // A hop with little mail then has none that is due, and need not be looked past.
            let until_s = if step == 0 { now_s } else { now_s - REFRESH_OLDER_S };
            let mut waiting = Vec::new();
            for lane in Lane::ALL {
                waiting.extend(self.spool.due(hop, lane, until_s, REFRESH_AT_ONCE + taken)?);
            }
            let mut settlements = Vec::new();
            for (message, mut recipients) in waiting {
                recipients.retain(|r| r.state == State::Waiting && r.hop == hop && r.due_s <= until_s);
                if recipients.is_empty() || hops.is_taken(hop, message.id) {
                    continue;
                }
                let ending = || Ending::Tried(Verdict::Later(said.clone()));
                let endings = recipients.iter().map(|r| (r, ending())).collect();
                let judged: Judged = judge(&self.settings.schedule, &message, endings, Some(retry_s), now_s);
                let bytes = || self.spool.bytes(&message).map(Arc::new);
                match self.settlements(&message, judged, now_s, bytes) {
                    Ok(settled) => settlements.extend(settled),
                    Err(error) => {
                        settlements.push(unreadable(&message, recipients.iter().map(|r| r.number), &error, now_s));
                    }
                }
            }
            if settlements.is_empty() {
                break;
            }
            self.spool.settle(settlements, false)?;
            drop(hops);
        }
        Ok(())
    }
}

impl Shared {
    async fn take(self: &Arc<Self>) -> Result<Taken, StoreError> {
        let shared = Arc::clone(self);
        self.blocking.run(move || shared.queue.take(&*shared.routes.is_local)).await
    }

    /// Tries one message at one hop.
    async fn job(self: Arc<Self>, work: Work, results: mpsc::Sender<Tried>) {
        let wanted = usize::try_from(work.message.size_bytes).unwrap_or(usize::MAX).div_ceil(PAGE_BYTES);
        let mut memory = Vec::with_capacity(2);
        if work.share == Share::Automatic {
            memory.push(pages_of(&self.automatic_memory, wanted, self.automatic_pages).await);
        }
        memory.push(pages_of(&self.memory, wanted, self.pages).await);

        let (queue, message) = (Arc::clone(&self.queue), work.message.clone());
        let (bytes, end) = match self.blocking.run(move || queue.spool.bytes(&message)).await {
            Ok(bytes) => {
                let bytes = Arc::new(bytes);
                let end = End::Verdicts(self.deliver(&work, Arc::clone(&bytes)).await);
                (Some(bytes), end)
            }
            Err(error) => (None, End::Unreadable(error)),
        };
        let tried = Tried { work, bytes, end, follows: None, _memory: memory };
        // Nobody is left to hear it only when the process goes down.
        let _ = results.send(tried).await;
    }

    /// A verdict for each recipient, whatever the deliverer does.
    async fn deliver(&self, work: &Work, bytes: Arc<Vec<u8>>) -> Vec<Verdict> {
        let recipients = work.recipients.iter().map(|r| Addressee {
            number: r.number,
            address: r.address.clone(),
            notify: asked_of_next(r),
            original: r.original.clone(),
        });
        let job = Job {
            id: work.message.id,
            hop: work.hop.clone(),
            envelope: Arc::new(work.message.envelope.clone()),
            message: bytes,
            recipients: recipients.collect(),
        };
        let deliver = Arc::clone(if work.local { &self.routes.local } else { &self.routes.out });
        // A task of its own: its panic is not ours, and it ends when this future is dropped.
        let mut task = JoinSet::new();
        task.spawn(async move { deliver.deliver(job).await });
        let why = match timeout(MAX_JOB, task.join_next()).await {
            Ok(Some(Ok(verdicts))) if verdicts.len() == work.recipients.len() => return verdicts,
            Ok(Some(Ok(_))) => "a delivery ended without a verdict for each recipient",
            Ok(_) => "a delivery ended by a fault of this program",
            Err(_) => "a delivery took too long",
        };
        tracing::error!(id = %work.message.id, hop = work.hop, why);
        metrics::counter!("reintegra_queue_faults_total").increment(1);
        // Of this host, so that it says nothing about the hop.
        let server = Some(self.queue.settings.hostname.clone());
        let said = Said { server, status: (4, 3, 0), text: why.to_owned() };
        work.recipients.iter().map(|_| Verdict::Later(said.clone())).collect()
    }
}

/// Of what the next server is to tell. Its notifications name the address: of one that the sender did not name they are
/// asked for where the message would else be lost without a word, and nobody has them written at will (RFC 3461 §5.2.7.4).
fn asked_of_next(recipient: &Recipient) -> Notify {
    match recipient.hidden {
        true => Notify { failure: recipient.notify.failure, ..Notify::NEVER },
        false => recipient.notify,
    }
}

/// Waits for so many pages of memory, or for all where there are fewer.
async fn pages_of(memory: &Arc<Semaphore>, wanted: usize, all: usize) -> OwnedSemaphorePermit {
    let wanted = u32::try_from(wanted.clamp(1, all)).expect("there are no more pages than that");
    Arc::clone(memory).acquire_many_owned(wanted).await.expect("the semaphore is never closed")
}

/// Writes down what became of jobs until none is left.
async fn settle_all(shared: Arc<Shared>, mut tried: mpsc::Receiver<Tried>) {
    let mut sync_at: Option<Instant> = None;
    loop {
        let first = match sync_at {
            None => tried.recv().await,
            Some(at) => match timeout_at(at, tried.recv()).await {
                Ok(first) => first,
                Err(_) => {
                    sync(&shared).await;
                    sync_at = None;
                    continue;
                }
            },
        };
        let Some(first) = first else { break };
        let mut batch = vec![first];
        while batch.len() < RESULTS_AT_ONCE
            && let Ok(more) = tried.try_recv()
        {
            batch.push(more);
        }
        settle_batch(&shared, batch).await;
        shared.queue.wake();
        sync_at.get_or_insert_with(|| Instant::now() + SYNC_EVERY);
        // Results that never cease must not put it off for ever.
        if sync_at.is_some_and(|at| at <= Instant::now()) {
            sync(&shared).await;
            sync_at = None;
        }
    }
    sync(&shared).await;
}

/// Writes down results, however often it takes: what was delivered must not be delivered again.
async fn settle_batch(shared: &Arc<Shared>, batch: Vec<Tried>) {
    let mut batches = vec![batch];
    let mut refused = 0;
    while let Some(mut batch) = batches.pop() {
        let queue = Arc::clone(&shared.queue);
        let (batch, result) = shared
            .blocking
            .run(move || {
                let result = queue.settle(&mut batch);
                (batch, result)
            })
            .await;
        match result {
            Ok(()) => {
                batch.iter().for_each(log);
                shared.refresh_hops(&batch).await;
            }
            // One of them may be the reason: each by itself.
            Err(_) if batch.len() > 1 => batches.extend(batch.into_iter().map(|one| vec![one])),
            Err(error) => {
                tracing::error!(id = %batch[0].work.message.id, %error, "what became of a message cannot be written down");
                // It stays taken: better tried once more at the next start than again and again now.
                refused += usize::from(error.class() != Class::Temporary);
                if refused > MAX_REFUSED {
                    continue;
                }
                sleep(PAUSE).await;
                batches.insert(0, batch);
            }
        }
    }
}

/// Says what became of a message at a hop: a line for each way in which its recipients ended, and at `debug` who they are.
fn log(tried: &Tried) {
    let End::Verdicts(verdicts) = &tried.end else { return };
    let (id, hop) = (tried.work.message.id, tried.work.hop.as_str());
    let mut told: Vec<(&str, Option<&Said>, u64)> = Vec::new();
    for (recipient, verdict) in tried.work.recipients.iter().zip(verdicts) {
        let outcome = verdict.outcome();
        tracing::debug!(%id, to = recipient.address, outcome, "a recipient of a message of the queue");
        match told.iter_mut().find(|(known, ..)| *known == outcome) {
            Some((.., count)) => *count += 1,
            None => told.push((outcome, verdict.said(), 1)),
        }
    }
    for (outcome, said, recipients) in told {
        let server = said.and_then(|said| said.server.as_deref());
        let said = said.map(|said| said.text.as_str());
        tracing::info!(%id, hop, outcome, recipients, server, said, "a message of the queue was tried");
    }
}

impl Shared {
    /// Has the mail of hops that turned out to be out of reach told so.
    async fn refresh_hops(&self, batch: &[Tried]) {
        for tried in batch {
            let (Some(Follows::Out { retry_s }), End::Verdicts(verdicts)) = (tried.follows, &tried.end) else {
                continue;
            };
            let Some(Verdict::Later(said)) = verdicts.first() else { continue };
            let (queue, hop, said) = (Arc::clone(&self.queue), tried.work.hop.clone(), said.clone());
            if let Err(error) = self.blocking.run(move || queue.refresh(&hop, &said, retry_s)).await {
                tracing::error!(hop = tried.work.hop, %error, "waiting mail could not be put off");
            }
        }
    }
}

async fn sync(shared: &Arc<Shared>) {
    let queue = Arc::clone(&shared.queue);
    if let Err(error) = shared.blocking.run(move || queue.spool.sync()).await {
        tracing::error!(%error, "the queue could not be made durable: a power cut would repeat deliveries");
    }
}

/// Measures and tidies the spool, now and then.
async fn keep_up(shared: Arc<Shared>) {
    loop {
        let queue = Arc::clone(&shared.queue);
        let more = shared.blocking.run(move || queue.keep_up()).await;
        let more = more.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue could not be tidied");
            false
        });
        sleep(if more { TIDY_EVERY / 10 } else { TIDY_EVERY }).await;
    }
}

impl Queue {
    fn keep_up(&self) -> Result<bool, StoreError> {
        let now_s = self.now_s();
        let counts = self.spool.counts()?;
        let (taken, out) = {
            let hops = self.hops();
            (hops.taken(), hops.out(now_s))
        };
        metrics::gauge!("reintegra_queue_messages").set(counts.messages as f64);
        metrics::gauge!("reintegra_queue_bytes").set(counts.size_bytes as f64);
        metrics::gauge!("reintegra_queue_recipients", "state" => "waiting").set(counts.waiting as f64);
        metrics::gauge!("reintegra_queue_recipients", "state" => "held").set(counts.held as f64);
        let oldest_s = counts.oldest_s.map_or(0, |oldest_s| (now_s - oldest_s).max(0));
        metrics::gauge!("reintegra_queue_oldest_seconds").set(oldest_s as f64);
        metrics::gauge!("reintegra_queue_jobs").set(taken as f64);
        metrics::gauge!("reintegra_queue_hops_out_of_reach").set(out as f64);
        // A disk that is full, or a row that cannot be read, does not keep the room from being given back.
        let ended = self.end_untold(now_s);
        let tidied = self.spool.tidy(now_s)?;
        for id in &tidied.damaged {
            tracing::error!(%id, "a message of the queue is damaged");
        }
        Ok(ended? || tidied.more)
    }

    /// Gives up what was held because nobody could be told, once its time is over; whether there is more.
    fn end_untold(&self, now_s: i64) -> Result<bool, StoreError> {
        // Nobody lets it go meanwhile.
        let _hops = self.hops();
        let ended = self.spool.ended(now_s, UNTOLD_AT_ONCE)?;
        let mut count = 0;
        let mut settlements = Vec::new();
        for (message, recipients) in ended {
            for Recipient { address, last, .. } in &recipients {
                let (from, last) = (&message.envelope.reverse_path, last.as_deref().unwrap_or_default());
                tracing::warn!(
                    id = %message.id, from, to = address, last,
                    "a message that could not be delivered and that nobody could be told of was held long enough: it is dropped"
                );
            }
            count += recipients.len();
            let recipients = recipients.into_iter().map(|r| (r.number, Settled::Failed)).collect();
            settlements.push(Settlement { id: message.id, recipients, then: Vec::new() });
        }
        if count > 0 {
            self.spool.settle(settlements, false)?;
            metrics::counter!("reintegra_queue_recipients_total", "outcome" => "untold").increment(count as u64);
        }
        Ok(count == UNTOLD_AT_ONCE)
    }
}

/// How long to wait before it is looked again whether something is due. Whatever ends wakes earlier.
fn wait_for(next_s: Option<i64>, now_s: i64) -> Duration {
    match next_s {
        // It is being tried, or its hop takes no more.
        Some(next_s) if next_s <= now_s => LOOK_AGAIN,
        Some(next_s) => Duration::from_secs((next_s - now_s).unsigned_abs()).min(LOOK_EVERY),
        None => LOOK_EVERY,
    }
}

/// What verdicts say about the hop.
fn reach(verdicts: &[Verdict]) -> Reach {
    let unreached = |v: &Verdict| matches!(v, Verdict::Later(said) if said.server.is_none());
    if verdicts.iter().all(unreached) {
        Reach::Unreached
    } else if verdicts.iter().all(|v| matches!(v, Verdict::Later(_))) {
        Reach::PutOff
    } else if verdicts.iter().all(|v| matches!(v, Verdict::Never(said) if said.server.is_none())) {
        Reach::Unknown
    } else {
        Reach::Served
    }
}

/// What becomes of recipients whose message cannot be read: damaged, it is held for the operator; else it is tried again.
fn unreadable(message: &Queued, numbers: impl Iterator<Item = u32>, error: &StoreError, now_s: i64) -> Settlement {
    tracing::error!(id = %message.id, %error, "a message of the queue cannot be read");
    let settled = match error.class() {
        Class::Corruption => Settled::Held { until_s: None },
        Class::Temporary | Class::Permanent | Class::Caller => Settled::Again {
            due_s: now_s + 300,
            said: "its bytes could not be read here".to_owned(),
            delay_told: false,
        },
    };
    Settlement {
        id: message.id,
        recipients: numbers.map(|number| (number, settled.clone())).collect(),
        then: Vec::new(),
    }
}
