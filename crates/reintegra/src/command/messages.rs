//! `messages`: lists the messages of an account, mailbox by mailbox.

use crate::cli::MessagesArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::rfc3339;
use crate::nearest::Nearest;
use crate::output::Output;
use crate::selection;
use crate::session::Session;
use message::Address;
use serde::Serialize;
use store::{Blob, LIVE, Mailbox, Message, StoreError, View, uidl_by_rule};

/// A message as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row<'a> {
    account: &'a str,
    mailbox: &'a str,
    uid: u32,
    uidvalidity: Option<u32>,
    uidl: Option<String>,
    identity: String,
    digest: String,
    flags: Vec<&'static str>,
    keywords: Vec<&'a str>,
    internaldate: Option<String>,
    size: u64,
    modseq: u64,
    damaged: bool,
}

impl<'a> Row<'a> {
    fn of(account: &'a str, mailbox: &'a Mailbox, message: &'a Message, blob: &Blob) -> Self {
        // POP3 serves the INBOX alone: elsewhere the rule makes no UIDL that anybody sees.
        let by_rule = || mailbox.uidvalidity.filter(|_| mailbox.name.is_inbox()).map(|v| uidl_by_rule(v, message.uid));
        Row {
            account,
            mailbox: mailbox.name.as_str(),
            uid: message.uid,
            uidvalidity: mailbox.uidvalidity,
            uidl: message.uidl.clone().or_else(by_rule),
            identity: blob.identity.to_string(),
            digest: blob.digest.to_string(),
            flags: message.flags.imap_names().collect(),
            keywords: message.keywords.iter().map(|k| k.as_str()).collect(),
            internaldate: rfc3339(message.internal_date),
            size: blob.size_bytes,
            modseq: message.modseq,
            damaged: message.traits.damaged(),
        }
    }
}

pub(super) fn run(args: &MessagesArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("messages")?;
    let address = selection::live_account(&args.account, &platform.directory)?;
    let cell = platform.store.cell_of(&address);
    session.output.held(|output| cell.read(|view| Ok(list(args, &address, view, output)))?)?;
    Ok(Exit::Complete)
}

fn list(args: &MessagesArgs, address: &Address, view: &View<'_>, output: &mut Output) -> anyhow::Result<()> {
    let account = view.account(LIVE, address)?;
    let mailboxes = account.as_ref().map(|a| view.mailboxes(a.id)).transpose()?.unwrap_or_default();
    let chosen = choose(&mailboxes, args.mailbox.as_deref())?;
    let name = address.as_str();
    let list = List { view, account: account.as_ref(), mailboxes: &chosen };
    if args.json {
        let mut array = output.array();
        list.for_each(|mailbox, message, blob| array.push(&Row::of(name, mailbox, message, blob)))?;
        array.end();
        return Ok(());
    }
    list.for_each(|mailbox, message, blob| {
        let row = Row::of(name, mailbox, message, blob);
        let words: Vec<&str> = row.flags.iter().chain(&row.keywords).copied().collect();
        let date = row.internaldate.as_deref().unwrap_or("-");
        let damaged = if row.damaged { "  damaged" } else { "" };
        output.line(format_args!(
            "{:<24} {:>8} {date:<20} {:>10} {}{damaged}",
            row.mailbox,
            row.uid,
            row.size,
            words.join(" ")
        ));
        !output.is_over()
    })?;
    Ok(())
}

/// The mailbox of a name, or all of them.
fn choose<'a>(mailboxes: &'a [Mailbox], name: Option<&str>) -> Result<Vec<&'a Mailbox>, Problem> {
    let Some(name) = name else { return Ok(mailboxes.iter().collect()) };
    // INBOX is one whatever its case (`RULES.md 6.1`).
    let same = |m: &Mailbox| m.name.as_str() == name || m.name.is_inbox() && name.eq_ignore_ascii_case("INBOX");
    match mailboxes.iter().find(|m| same(m)) {
        Some(mailbox) => Ok(vec![mailbox]),
        None => {
            let mut nearest = Nearest::to(name);
            mailboxes.iter().for_each(|m| nearest.consider(m.name.as_str()));
            let names: Vec<&str> = mailboxes.iter().map(|m| m.name.as_str()).collect();
            let list = match names.is_empty() {
                true => "the account has no mailbox yet".to_owned(),
                false => format!("there are: {}", names.join(", ")),
            };
            Err(selection::unknown("mailbox", name, nearest, &list))
        }
    }
}

/// Some mailboxes of an account in one state of its cell.
struct List<'a> {
    view: &'a View<'a>,
    account: Option<&'a store::Account>,
    mailboxes: &'a [&'a Mailbox],
}

impl List<'_> {
    /// Gives every message, until one is not heard.
    fn for_each(&self, mut each: impl FnMut(&Mailbox, &Message, &Blob) -> bool) -> Result<(), StoreError> {
        let Some(account) = self.account else { return Ok(()) };
        let mut heard = true;
        for mailbox in self.mailboxes {
            self.view.for_each_message(account.id, mailbox.id, |message, blob| {
                heard = heard && each(mailbox, &message, &blob);
                Ok(())
            })?;
        }
        Ok(())
    }
}
