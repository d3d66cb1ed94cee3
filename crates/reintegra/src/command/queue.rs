//! `queue`: mail that waits to be handed on. A server that runs is asked over its socket; without one the queue is opened
//! here. Mail that lies in mailboxes is none of this, and no word here may be read as if it were.

use crate::cli::{QueueArgs, QueueCommand, QueueFilterArgs, QueueSelectionArgs, QueueState};
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::{Size, Things, rfc3339};
use crate::serve::{Config, QUEUE, queue_at_rest};
use crate::session::Session;
use anyhow::Context as _;
use queue::Queue;
use queue::control::{AskError, SOCKET, ask};
use queue::operator::{Action, Answer, Changed, Entry, Selection, Standing};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::StoreError;

/// Messages of a page of a list.
const PAGE: usize = 500;
/// How long a server is waited for that holds the queue and does not answer yet, or no more.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

pub(super) fn run(args: &QueueArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(Config::read).transpose()?;
    session.name_data_unless_named(config.as_ref().and_then(|config| config.data.as_deref()));
    let mut keeper = Keeper { data: session.must_be_there()?.to_owned(), config, at_rest: None };
    match &args.command {
        QueueCommand::List(args) => list(&mut keeper, filter(&args.which), args.list.json, session),
        QueueCommand::Show(args) => match keeper.ask(session, &Action::Show { id: args.id.clone() })? {
            Answer::Message(Some(entry)) => {
                if args.list.json {
                    session.output.json(&row(entry))
                } else {
                    show(&entry, session)
                }
                Ok(Exit::Complete)
            }
            _ => Err(nothing_waits(&args.id).into()),
        },
        QueueCommand::Retry(args) => {
            let changed = keeper.change(session, |which| Action::Retry { which }, args)?;
            told(
                session,
                changed,
                "tried at once",
                "no server runs: it is tried when one does",
                keeper.at_rest.is_some(),
            )
        }
        QueueCommand::Hold(args) => {
            let changed = keeper.change(session, |which| Action::Hold { which }, args)?;
            told(session, changed, "held until released", "", false)
        }
        QueueCommand::Release(args) => {
            let changed = keeper.change(session, |which| Action::Release { which }, args)?;
            told(session, changed, "let go on", "no server runs: it goes on when one does", keeper.at_rest.is_some())
        }
        QueueCommand::Bounce(args) => {
            let why = args.why.clone();
            let changed = keeper.change(session, |which| Action::Bounce { which, why }, &args.selection)?;
            told(session, changed, "given up; the senders get word", "", false)
        }
        QueueCommand::Drop(args) => {
            let which = selection(&args.selection)?;
            let counted = keeper.changed(session, &Action::Count { which: which.clone() })?;
            keeper.must_wait(session, &which, &counted)?;
            let Changed { messages, recipients, .. } = counted;
            let (messages, recipients) = (Things(messages, "waiting message"), Things(recipients, "recipient"));
            let question = format!(
                "Destroy {messages} to {recipients}? They reach nobody, and nobody is told. Mailboxes stay as they are"
            );
            if !args.yes && !session.console.can_ask() {
                return Err(Problem::wrong_use("nobody can be asked whether to destroy waiting messages")
                    .because("this is no terminal")
                    .now("say --yes, or `reintegra queue bounce` to give up and tell the senders")
                    .into());
            }
            if !args.yes && !session.console.ask(&question) {
                session.output.line("nothing was destroyed");
                return Ok(Exit::Incomplete);
            }
            let changed = keeper.changed(session, &Action::Drop { which })?;
            told(session, changed, "destroyed", "", false)
        }
    }
}

/// Who carries an action out.
struct Keeper {
    data: PathBuf,
    config: Option<Config>,
    /// The queue, where no server holds it.
    at_rest: Option<Arc<Queue>>,
}

impl Keeper {
    fn ask(&mut self, session: &Session, action: &Action) -> anyhow::Result<Answer> {
        let answer = match &self.at_rest {
            Some(queue) => queue.carry_out(action)?,
            None => self.reach(session, action)?,
        };
        match answer {
            Answer::Refused { why } => Err(Problem::wrong_use("it was not done")
                .because(why)
                .now("`reintegra queue list` lists what waits")
                .into()),
            answer => Ok(answer),
        }
    }

    /// Asks a server that runs, or opens the queue where none does.
    fn reach(&mut self, session: &Session, action: &Action) -> anyhow::Result<Answer> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            match ask(&self.data.join(QUEUE).join(SOCKET), action) {
                Err(AskError::NoServer { .. }) => {}
                answer => return answer.context("the running server was asked"),
            }
            match self.open(session, action) {
                Err(error) if is_in_use(&error) && Instant::now() < patient_until => {
                    std::thread::sleep(ASK_AGAIN_AFTER);
                }
                queue => return Ok(queue?.carry_out(action)?),
            }
        }
    }

    fn open(&mut self, session: &Session, action: &Action) -> anyhow::Result<&Arc<Queue>> {
        if matches!(action, Action::Bounce { .. }) && self.config.is_none() {
            return Err(Problem::wrong_use("senders cannot be told without the configuration")
                .because("no server runs, and the notice names the host")
                .now("name it with --config, or start the server")
                .into());
        }
        let config = self.config.clone().unwrap_or_default();
        let queue = queue_at_rest(&config, &self.data, &session.open_directory()?)?;
        Ok(self.at_rest.insert(queue))
    }

    fn changed(&mut self, session: &Session, action: &Action) -> anyhow::Result<Changed> {
        match self.ask(session, action)? {
            Answer::Changed(changed) => Ok(changed),
            _ => anyhow::bail!("the server's answer is none to this question: is it of the same version?"),
        }
    }

    fn change(
        &mut self,
        session: &Session,
        action: impl FnOnce(Selection) -> Action,
        args: &QueueSelectionArgs,
    ) -> anyhow::Result<Changed> {
        let which = selection(args)?;
        let changed = self.changed(session, &action(which.clone()))?;
        self.must_wait(session, &which, &changed)?;
        Ok(changed)
    }

    /// A message that was named and is not there is a slip; one that is there and was left as it is, is none.
    fn must_wait(&mut self, session: &Session, which: &Selection, changed: &Changed) -> anyhow::Result<()> {
        let Some(id) = which.id.as_ref().filter(|_| *changed == Changed::default()) else { return Ok(()) };
        match self.ask(session, &Action::Show { id: id.clone() })? {
            Answer::Message(None) => Err(nothing_waits(id).into()),
            _ => Ok(()),
        }
    }
}

fn nothing_waits(id: &str) -> Problem {
    Problem::wrong_use(format!("no message {id} waits"))
        .because("it was handed on, given up, or never there")
        .now("`reintegra queue list` lists what waits")
}

/// Whether another process holds the queue.
fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::InUse { .. }))
}

fn filter(args: &QueueFilterArgs) -> Selection {
    Selection {
        id: None,
        // A list shows the null reverse-path so.
        sender: args.sender.clone().map(|sender| if sender == "<>" { String::new() } else { sender }),
        recipient: args.recipient.clone(),
        hop: args.domain.as_ref().map(|domain| domain.to_lowercase()),
        state: args.state.map(|state| match state {
            QueueState::Waiting => Standing::Waiting,
            QueueState::Held => Standing::Held,
            QueueState::Running => Standing::Running,
        }),
        older_than_s: args.older_than.map(|hours| i64::from(hours) * 3600),
        everything: false,
    }
}

/// What was selected. To say nothing is refused: it might be taken for everything.
fn selection(args: &QueueSelectionArgs) -> Result<Selection, Problem> {
    let which = Selection { id: args.id.clone(), everything: args.all, ..filter(&args.which) };
    match which == Selection::default() {
        true => Err(Problem::wrong_use("nothing is selected")
            .now("name a message as `reintegra queue list` shows it, or --sender, --recipient, --domain, --state, --older-than, or --all")),
        false => Ok(which),
    }
}

/// Says how much was done.
fn told(session: &mut Session, changed: Changed, done: &str, rest: &str, at_rest: bool) -> anyhow::Result<Exit> {
    let Changed { messages, recipients, busy, untold } = changed;
    session.output.line(format_args!("{} to {}: {done}", Things(messages, "message"), Things(recipients, "recipient")));
    if untold > 0 {
        session
            .console
            .note(format_args!("{} are held: there is nobody who could be told", Things(untold, "recipient")));
    }
    if at_rest && messages > 0 {
        session.console.note(rest);
    }
    if busy > 0 {
        session
            .console
            .note(format_args!("{} are being tried at the moment: ask again in a minute", Things(busy, "recipient")));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Complete)
}

/// A message that waits, as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row {
    id: String,
    sender: String,
    purpose: String,
    account: Option<String>,
    envelope_id: Option<String>,
    arrived_at: Option<String>,
    given_up_at: Option<String>,
    size_bytes: u64,
    recipients: Vec<RecipientRow>,
}

#[derive(Serialize)]
struct RecipientRow {
    address: String,
    domain: String,
    state: &'static str,
    next_try_at: Option<String>,
    /// Until when it is held, where that is not for ever.
    held_until: Option<String>,
    attempts: u32,
    last: Option<String>,
    delay_told: bool,
}

fn row(entry: Entry) -> Row {
    let recipients = entry.recipients.into_iter().map(|line| RecipientRow {
        address: line.address,
        domain: line.hop,
        state: word(line.state),
        next_try_at: rfc3339(line.due_s).filter(|_| line.state == Standing::Waiting),
        held_until: line.held_until_s.and_then(rfc3339),
        attempts: line.attempts,
        last: line.last,
        delay_told: line.delay_told,
    });
    Row {
        id: entry.id,
        sender: entry.sender,
        purpose: entry.purpose,
        account: entry.account,
        envelope_id: entry.envelope_id,
        arrived_at: rfc3339(entry.arrived_s),
        given_up_at: rfc3339(entry.expires_s),
        size_bytes: entry.size_bytes,
        recipients: recipients.collect(),
    }
}

fn word(state: Standing) -> &'static str {
    match state {
        Standing::Waiting => "waiting",
        Standing::Held => "held",
        Standing::Running => "running",
    }
}

fn list(keeper: &mut Keeper, which: Selection, json: bool, session: &mut Session) -> anyhow::Result<Exit> {
    // Pages are asked for before the array borrows the output.
    let (mut all, mut after, mut count) = (Vec::new(), None, 0u64);
    loop {
        let action = Action::List { which: which.clone(), after: after.take(), limit: PAGE };
        let Answer::Messages { messages, next } = keeper.ask(session, &action)? else {
            anyhow::bail!("the server's answer is none to this question: is it of the same version?");
        };
        count += messages.len() as u64;
        if json {
            all.extend(messages.into_iter().map(row));
        } else {
            messages.iter().for_each(|entry| line(entry, session));
        }
        after = next;
        if after.is_none() || session.output.is_over() {
            break;
        }
    }
    if json {
        session.output.json_array(all);
    } else {
        session.output.flush();
        session.console.note(format_args!("{} waiting", Things(count, "message")));
    }
    Ok(Exit::Complete)
}

fn sender(entry: &Entry) -> &str {
    if entry.sender.is_empty() { "<>" } else { &entry.sender }
}

fn line(entry: &Entry, session: &mut Session) {
    let arrived = rfc3339(entry.arrived_s).unwrap_or_else(|| "-".to_owned());
    let size = Size(entry.size_bytes).to_string();
    session.output.line(format_args!("{}  {arrived}  {size:>8}  {}", entry.id, sender(entry)));
    for line in &entry.recipients {
        let state = word(line.state);
        let last = line.last.as_deref().unwrap_or("not tried yet");
        session.output.line(format_args!("    {state:<8} {}  {last}", line.address));
    }
}

fn show(entry: &Entry, session: &mut Session) {
    let time = |at| rfc3339(at).unwrap_or_else(|| "-".to_owned());
    session.output.line(format_args!("message     {} ({}, {})", entry.id, entry.purpose, Size(entry.size_bytes)));
    session.output.line(format_args!("from        {}", sender(entry)));
    if let Some(account) = &entry.account {
        session.output.line(format_args!("account     {account}"));
    }
    session.output.line(format_args!("arrived     {}", time(entry.arrived_s)));
    session.output.line(format_args!("given up    {}", time(entry.expires_s)));
    for line in &entry.recipients {
        session.output.line(format_args!("to          {}", line.address));
        let tried = Things(u64::from(line.attempts), "time");
        let next = match line.state {
            Standing::Waiting => format!("next try {}", time(line.due_s)),
            Standing::Held => match line.held_until_s {
                Some(at) => format!("nobody can be told that it failed: held until {}, then dropped", time(at)),
                None => "held until it is released".to_owned(),
            },
            Standing::Running => "being tried at the moment".to_owned(),
        };
        session.output.line(format_args!("            tried {tried}, {next}"));
        if let Some(last) = &line.last {
            session.output.line(format_args!("            {last}"));
        }
    }
}
