//! The verbs: one file each, and this table.

pub(crate) mod append;
pub(crate) mod authenticate;
pub(crate) mod capability;
mod close;
mod compress;
mod condstore;
mod copy;
mod create;
mod delete;
mod enable;
mod expunge;
pub(crate) mod fetch;
mod id;
mod list;
mod metadata;
mod named;
mod namespace;
pub(crate) mod notify;
mod object_id;
mod quota;
mod rename;
mod replace;
mod search;
mod select;
mod sort;
mod starttls;
mod status;
mod store_flags;
mod subscribe;
mod thread;

use crate::answer::{Refusal, Status};
use crate::session::core::{Core, Expunges};
use crate::session::task::Task;
use crate::syntax::{By, Command, ThreadAlgorithm};
use edge::SignedIn;

/// How a command goes on after its first part.
pub(crate) enum Flow {
    /// It is done, with this to say.
    Done(Status),
    /// Its answer is long.
    Task(Box<dyn Task>),
    /// A challenge was said, and the answer to it is awaited; whoever is in already waits with it.
    Challenge(Box<edge::sasl::Exchange>, Option<Box<SignedIn>>),
    /// A password is to be checked.
    SignIn(edge::sasl::Attempt, Option<Box<edge::sasl::Exchange>>),
    /// It waits for changes until `DONE`.
    Idle,
    /// TLS is to begin.
    StartTls,
    /// DEFLATE is to begin.
    Compress,
    /// The end.
    Logout,
}

/// Whether removals may be told before a command's end (RFC 9051 §7.5.1): not where sequence numbers are on their way.
pub(crate) fn expunges(command: &Command) -> Expunges {
    match command {
        Command::Fetch(fetch) if fetch.by == By::Seq => Expunges::Held,
        Command::Store(store) if store.by == By::Seq => Expunges::Held,
        Command::Search(search) if search.by == By::Seq => Expunges::Held,
        Command::Sort(sort) if sort.by == By::Seq => Expunges::Held,
        Command::Thread(thread) if thread.by == By::Seq => Expunges::Held,
        _ => Expunges::Told,
    }
}

/// A command's name in metrics, and the extension without which it is unknown.
fn table(command: &Command) -> (&'static str, Option<&'static str>) {
    match command {
        Command::Capability => ("capability", None),
        Command::Noop => ("noop", None),
        Command::Logout => ("logout", None),
        Command::Id(_) => ("id", Some("ID")),
        Command::StartTls => ("starttls", None),
        Command::Authenticate { .. } => ("authenticate", None),
        Command::Login { .. } => ("login", None),
        Command::Enable(_) => ("enable", Some("ENABLE")),
        Command::Select(select) if select.read_only => ("examine", None),
        Command::Select(_) => ("select", None),
        Command::Create { .. } => ("create", None),
        Command::Delete(_) => ("delete", None),
        Command::Rename { .. } => ("rename", None),
        Command::Subscribe(_) => ("subscribe", None),
        Command::Unsubscribe(_) => ("unsubscribe", None),
        Command::List(_) => ("list", None),
        Command::Lsub { .. } => ("lsub", None),
        Command::Namespace => ("namespace", Some("NAMESPACE")),
        Command::Status { .. } => ("status", None),
        Command::Append { .. } => ("append", None),
        Command::Idle => ("idle", Some("IDLE")),
        Command::Compress(_) => ("compress", Some("COMPRESS=DEFLATE")),
        Command::GetQuota(_) => ("getquota", Some("QUOTA")),
        Command::GetQuotaRoot(_) => ("getquotaroot", Some("QUOTA")),
        Command::SetQuota { .. } => ("setquota", Some("QUOTA")),
        Command::GetMetadata(_) => ("getmetadata", Some("METADATA")),
        Command::SetMetadata { .. } => ("setmetadata", Some("METADATA")),
        Command::Notify(_) => ("notify", Some("NOTIFY")),
        Command::Check => ("check", None),
        Command::Close => ("close", None),
        Command::Unselect => ("unselect", Some("UNSELECT")),
        Command::Expunge { uids: None } => ("expunge", None),
        Command::Expunge { uids: Some(_) } => ("uid expunge", Some("UIDPLUS")),
        Command::Search(_) => ("search", None),
        Command::Sort(_) => ("sort", Some("SORT")),
        Command::Thread(thread) => match thread.algorithm {
            ThreadAlgorithm::OrderedSubject => ("thread", Some("THREAD=ORDEREDSUBJECT")),
            ThreadAlgorithm::References | ThreadAlgorithm::Other(_) => ("thread", Some("THREAD=REFERENCES")),
        },
        Command::Fetch(_) => ("fetch", None),
        Command::Store(_) => ("store", None),
        Command::Copy { .. } => ("copy", None),
        Command::Move { .. } => ("move", Some("MOVE")),
        Command::Replace { .. } => ("replace", Some("REPLACE")),
    }
}

/// A command's name in metrics.
pub(crate) fn verb(command: &Command) -> &'static str {
    table(command).0
}

/// Does a command, or begins to.
///
/// # Errors
/// Why it was not done.
pub(crate) fn run(core: &mut Core, command: Command, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    if let Some(capability) = table(&command).1 {
        core.require(capability)?;
    }
    match command {
        Command::Capability => capability::run(core, out),
        Command::Noop => Ok(Flow::Done(Status::ok("done"))),
        Command::Logout => close::logout(core, out),
        Command::Id(parameters) => id::run(core, parameters, out),
        Command::StartTls => starttls::run(core),
        Command::Authenticate { mechanism, initial } => authenticate::run(core, &mechanism, initial, out),
        Command::Login { user, password } => authenticate::login(core, user, password),
        Command::Enable(names) => enable::run(core, &names, out),
        Command::Select(select) => select::run(core, select, out),
        Command::Create { mailbox, special_use } => create::run(core, &mailbox, &special_use, out),
        Command::Delete(mailbox) => delete::run(core, &mailbox, out),
        Command::Rename { from, to } => rename::run(core, &from, &to, out),
        Command::Subscribe(mailbox) => subscribe::run(core, &mailbox, true),
        Command::Unsubscribe(mailbox) => subscribe::run(core, &mailbox, false),
        Command::List(list) => list::run(core, list, out),
        Command::Lsub { reference, pattern } => list::lsub(core, &reference, &pattern, out),
        Command::Namespace => namespace::run(core, out),
        Command::Status { mailbox, items } => status::run(core, &mailbox, &items, out),
        Command::Append { mailbox, messages } => append::run(core, &mailbox, messages),
        Command::Idle => notify::idle(core, out),
        Command::Compress(algorithm) => compress::run(core, &algorithm),
        Command::GetQuota(root) => quota::get(core, &root, out),
        Command::GetQuotaRoot(mailbox) => quota::root_of(core, &mailbox, out),
        Command::SetQuota { root, .. } => quota::set(core, &root),
        Command::GetMetadata(get) => metadata::get(core, &get, out),
        Command::SetMetadata { mailbox, entries } => metadata::set(core, &mailbox, entries),
        Command::Notify(notify) => notify::run(core, notify, out),
        Command::Check => close::check(core),
        Command::Close => close::close(core),
        Command::Unselect => close::unselect(core),
        Command::Expunge { uids } => expunge::run(core, uids.as_ref(), out),
        Command::Search(search) => search::run(core, search, out),
        Command::Sort(sort) => sort::run(core, sort, out),
        Command::Thread(thread) => thread::run(core, thread, out),
        Command::Fetch(fetch) => fetch::run(core, fetch, out),
        Command::Store(store) => store_flags::run(core, store, out),
        Command::Copy { by, numbers, mailbox } => copy::run(core, by, &numbers, &mailbox),
        Command::Move { by, numbers, mailbox } => copy::run_move(core, by, &numbers, &mailbox, out),
        Command::Replace { by, number, mailbox, message } => replace::run(core, by, &number, &mailbox, message, out),
    }
}
