//! What is to be done for a message, found out before anything of it is done.
//!
//! Each account that gets it is an [`Entry`], once, however many recipients led to it; an account that a script sends it on
//! to is another. Nothing is lost between them: where an account would send it back to one that it has it from, or to one
//! that cannot get it, it keeps it itself.

use super::{Failure, Mail};
use crate::boxes::Boxes;
use crate::ids::Ids;
use crate::inspect;
use crate::rate::{Answer, Event};
use crate::recipient::{self, Local, Question, Remote};
use crate::script::{self, Context, Fault, Kept, Seeing};
use crate::settings::Settings;
use crate::syntax::EnvelopeAddress;
use crate::trace;
use directory::AccountId;
use edge::Services;
use message::{Address, Flags, Keyword, MailboxName, header};
use sieve::{Action, HeaderVersion, MessageFlags, Seen, VacationReply};
use std::collections::{BTreeSet, HashSet};
use store::spool::{NewRecipient, Notify};
use store::{Cell, MailboxId};

/// How many accounts scripts may send one message on to.
const MAX_SENT_ON: usize = 100;

/// How many accounts may change a message's header one after another as they send it on to each other: each adds to it.
const MAX_CHANGES: usize = 8;

/// What is to be done for a message.
#[derive(Debug)]
pub(super) struct Plan {
    /// The accounts that get it.
    pub(super) entries: Vec<Entry>,
    /// What goes to the queue.
    pub(super) outgoing: Vec<Outgoing>,
    /// What became of each recipient so far.
    pub(super) outcomes: Vec<Result<(), Failure>>,
    /// Accounts of which it is to be told that their scripts send too much.
    pub(super) too_much: Vec<(AccountId, Address)>,
}

/// An account that gets a message.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its address.
    pub(super) address: Address,
    /// Its number in the directory.
    pub(super) id: AccountId,
    /// The address that led to it.
    pub(super) to: EnvelopeAddress,
    /// What the address was to the sender, where the sender said (ORCPT).
    pub(super) original: Option<(String, String)>,
    /// Accounts that sent it on to this one, the last first.
    pub(super) path: Vec<Address>,
    /// What became of the message's header on that way, the first change first.
    pub(super) headers: Vec<HeaderVersion>,
    /// The recipients that led to it, by their places.
    pub(super) recipients: BTreeSet<usize>,
    /// Its place in its cell, with what goes into which mailbox.
    pub(super) copies: Vec<Copy>,
    /// The account in its cell; there once there are copies.
    pub(super) mail: Option<store::AccountId>,
    /// Why its owner's script does not want it.
    pub(super) refused: Option<String>,
    /// What to remember once all is done.
    pub(super) seen: Vec<Seen>,
    /// Scripts that failed.
    pub(super) faults: Vec<Fault>,
    /// Entries that it is sent on to, by their places.
    leads_to: Vec<usize>,
}

/// A copy in a mailbox.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// Where.
    pub(super) mailbox: MailboxId,
    /// System flags.
    pub(super) flags: Flags,
    /// Keywords, each once, sorted.
    pub(super) keywords: Vec<Keyword>,
    /// What the account's script made of the header.
    pub(super) header: HeaderVersion,
}

/// What goes to the queue.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// On whose behalf.
    pub(super) by: By,
    /// To whom.
    pub(super) recipients: Vec<(EnvelopeAddress, NewRecipient)>,
    /// The recipients of the message that it is done for, by their places.
    pub(super) for_recipients: BTreeSet<usize>,
}

/// What the sender knows of an address that gets a message.
#[derive(Debug, Default)]
struct Known {
    /// What it was to the sender.
    original: Option<String>,
    /// Whether the sender did not name it.
    hidden: bool,
}

/// On whose behalf something goes to the queue.
#[derive(Debug)]
pub(super) enum By {
    /// Whoever sent the message named the address.
    Sender,
    /// An alias leads there.
    Alias(Address),
    /// An account sends it on.
    Account {
        /// Its number in the directory.
        id: AccountId,
        /// The account, and those that it has it from, the last first.
        path: Vec<Address>,
        /// What became of the header on that way, the first change first.
        headers: Vec<HeaderVersion>,
        /// What its deliveries are known by.
        ids: Option<Ids>,
    },
    /// An account answers.
    Reply(AccountId, Address, Box<VacationReply>),
}

/// Finds out what is to be done. Runs scripts, reads directory and store; makes mailboxes that scripts want made.
pub(super) fn plan(services: &Services, settings: &Settings, mail: &Mail) -> Plan {
    let outcomes = vec![Ok(()); mail.recipients.len()];
    let plan = Plan { entries: Vec::new(), outgoing: Vec::new(), outcomes, too_much: Vec::new() };
    let before = inspect::delivered_to(&mail.message);
    let mut planner = Planner { services, settings, mail, before, plan };
    planner.recipients();
    let mut next = 0;
    while next < planner.plan.entries.len() {
        if let Err(failure) = planner.entry(next) {
            planner.fail(next, &failure);
        }
        next += 1;
    }
    planner.refusals();
    planner.plan
}

struct Planner<'a> {
    services: &'a Services,
    settings: &'a Settings,
    mail: &'a Mail,
    /// Who had the message before.
    before: HashSet<Address>,
    plan: Plan,
}

impl Planner<'_> {
    /// Who gets it before any script has spoken.
    fn recipients(&mut self) {
        for (place, recipient) in self.mail.recipients.iter().enumerate() {
            let asks = self.notify(place);
            if asks.success && self.may_wait() && !self.mail.unwanted && !recipient.resolved.local.is_empty() {
                // Who wants to hear that it was delivered hears it from the queue, which delivers it here too. What is
                // unwanted does not go that way: the queue would not know it, and its senders are hardly ever who they say.
                self.enqueue(By::Sender, &recipient.address, place, asks);
                continue;
            }
            let mut reached = false;
            for local in &recipient.resolved.local {
                if !self.before.contains(&local.account) {
                    reached = true;
                    self.add(local, recipient.address.clone(), Vec::new(), BTreeSet::from([place]));
                }
            }
            for Remote { address, by } in &recipient.resolved.remote {
                let by = match by {
                    Some(alias) if self.before.contains(alias) => continue,
                    Some(alias) => By::Alias(alias.clone()),
                    None => By::Sender,
                };
                reached = true;
                self.enqueue(by, address, place, asks);
            }
            if !reached {
                self.plan.outcomes[place] = Err(Failure::Loop);
            }
        }
    }

    /// What the sender wants to hear of a recipient.
    fn notify(&self, place: usize) -> Notify {
        let asked = self.mail.recipients[place].parameters.notify;
        asked.map_or(Notify::DEFAULT, |asked| Notify {
            success: asked.success,
            failure: asked.failure,
            delay: asked.delay,
        })
    }

    /// Whether there is a queue to which the message may be given for recipients here.
    fn may_wait(&self) -> bool {
        self.mail.may_wait && self.settings.queue.is_some()
    }

    /// Takes an account in, or more recipients of one that is in; its place.
    fn add(&mut self, local: &Local, to: EnvelopeAddress, path: Vec<Address>, recipients: BTreeSet<usize>) -> usize {
        if let Some(place) = self.plan.entries.iter().position(|entry| entry.address == local.account) {
            self.add_recipients(place, &recipients);
            return place;
        }
        let mut named = recipients.iter().filter_map(|&place| self.mail.recipients[place].parameters.orcpt.clone());
        self.plan.entries.push(Entry {
            address: local.account.clone(),
            id: local.id,
            to,
            original: named.next(),
            path,
            headers: Vec::new(),
            recipients,
            copies: Vec::new(),
            mail: None,
            refused: None,
            seen: Vec::new(),
            faults: Vec::new(),
            leads_to: Vec::new(),
        });
        self.plan.entries.len() - 1
    }

    /// Recipients that led to an account lead to those that it sends to as well.
    fn add_recipients(&mut self, place: usize, recipients: &BTreeSet<usize>) {
        let entry = &mut self.plan.entries[place];
        let before = entry.recipients.len();
        entry.recipients.extend(recipients);
        if entry.recipients.len() > before {
            for next in entry.leads_to.clone() {
                self.add_recipients(next, recipients);
            }
        }
    }

    /// Whether one entry leads to another, by whatever way.
    fn leads_to(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(place) = open.pop() {
            if place == to {
                return true;
            }
            if seen.insert(place) {
                open.extend(&self.plan.entries[place].leads_to);
            }
        }
        false
    }

    /// An address that gets it by the queue.
    fn enqueue(&mut self, by: By, address: &EnvelopeAddress, place: usize, notify: Notify) {
        let places = BTreeSet::from([place]);
        let known = match by {
            By::Sender => Known { original: self.named(&places), hidden: false },
            By::Alias(_) | By::Account { .. } | By::Reply(..) => self.known_as(&places),
        };
        self.send(by, address, &places, notify, known);
    }

    /// What some recipients were to the sender, where the sender said (ORCPT).
    fn named(&self, places: &BTreeSet<usize>) -> Option<String> {
        let named = places.iter().find_map(|&place| self.mail.recipients[place].parameters.orcpt.as_ref());
        named.map(|(kind, address)| format!("{kind};{address}"))
    }

    /// What the sender knows some recipients by: what it said, or else as it named one of them (RFC 3461 §5.2.1). Of what is
    /// sent on for them it hears under this name.
    fn known_as(&self, places: &BTreeSet<usize>) -> Known {
        let original = self.named(places).or_else(|| {
            let address = &self.mail.recipients[*places.first()?].address;
            Some(format!("{};{address}", if address.is_utf8() { "utf-8" } else { "rfc822" }))
        });
        Known { original, hidden: true }
    }

    fn send(
        &mut self,
        by: By,
        address: &EnvelopeAddress,
        for_recipients: &BTreeSet<usize>,
        notify: Notify,
        Known { original, hidden }: Known,
    ) {
        let text = address.to_string();
        let Some(recipient) = queue::recipient(&text) else {
            // No server could be looked for.
            for &place in for_recipients {
                self.plan.outcomes[place] = Err(Failure::Recipient(recipient::Rejection::Unroutable));
            }
            return;
        };
        let recipient = NewRecipient { notify, original, hidden, ..recipient };
        let there = self.plan.outgoing.iter_mut().find(|other| other.by.goes_with(&by));
        match there {
            Some(there) => {
                if there.recipients.iter().all(|(other, _)| other != address) {
                    there.recipients.push((address.clone(), recipient));
                }
                there.for_recipients.extend(for_recipients);
            }
            None => {
                let recipients = vec![(address.clone(), recipient)];
                self.plan.outgoing.push(Outgoing { by, recipients, for_recipients: for_recipients.clone() });
            }
        }
    }

    /// What an account's scripts want done.
    fn entry(&mut self, place: usize) -> Result<(), Failure> {
        let (services, mail) = (self.services, self.mail);
        let entry = &self.plan.entries[place];
        let (address, id, to, path) = (entry.address.clone(), entry.id, entry.to.clone(), entry.path.clone());
        let cell = services.store.cell_of(&address);
        let account = cell.open_served(&address)?.id;
        self.plan.entries[place].mail = Some(account);
        let scripts = script::of_account(&services.directory, id)?;
        if scripts.is_empty() && !mail.unwanted {
            return self.plain(place, cell, account);
        }
        let mut boxes = Boxes::read(cell, account, &address)?;
        let entry = &self.plan.entries[place];
        let (top, bytes) = (entry.top(mail), entry.bytes(mail, &HeaderVersion::default()));
        let (from, to_text) = (mail.reverse_path(), to.to_string());
        let seeing = Seeing {
            crlf: &bytes,
            top_bytes: top.len(),
            from: &from,
            to: &to_text,
            time_s: mail.at_s,
            unwanted: mail.unwanted,
        };
        let mut context = Context {
            directory: &services.directory,
            account: id,
            address: &address,
            boxes: &boxes,
            host: &services.policy.hostname,
            client: mail.client,
            redirects: 0,
        };
        let decision = script::decide(&self.settings.scripts, &scripts, &seeing, &mut context);
        drop(bytes);
        for action in decision.actions {
            match action {
                Action::Keep { flags, header } => self.copy(place, boxes.inbox()?, flags, header),
                Action::FileInto { mailbox, special_use, create, flags, header, .. } => {
                    let there = match boxes.named(&mailbox) {
                        Some(there) => Some(there.id),
                        None if create => boxes.make(&mailbox, special_use)?,
                        None => None,
                    };
                    let inbox = boxes.inbox()?;
                    self.copy(place, there.unwrap_or(inbox), flags, header);
                }
                Action::Redirect { address, header, .. } => {
                    if !self.redirect(place, &address, &path, &header)? {
                        self.copy(place, boxes.inbox()?, MessageFlags::default(), header);
                    }
                }
                Action::Discard => {}
                Action::Reject { reason, .. } => self.plan.entries[place].refused = Some(reason),
                Action::Vacation(reply) => self.reply(place, reply),
            }
        }
        if let Some(Kept { flags, header }) = decision.keep {
            let mailbox = if mail.unwanted { boxes.junk()? } else { boxes.inbox()? };
            self.copy(place, mailbox, flags, header);
        }
        let entry = &mut self.plan.entries[place];
        (entry.seen, entry.faults) = (decision.seen, decision.faults);
        Ok(())
    }

    /// An account without a script, as most are.
    fn plain(&mut self, place: usize, cell: &Cell, account: store::AccountId) -> Result<(), Failure> {
        let inbox = cell.read(|view| view.mailbox_by_name(account, &MailboxName::inbox()))?;
        let address = &self.plan.entries[place].address;
        let gone = || store::StoreError::Caller(format!("the account {address} has no INBOX"));
        let inbox = inbox.ok_or_else(gone)?.id;
        self.copy(place, inbox, MessageFlags::default(), HeaderVersion::default());
        Ok(())
    }

    /// One copy to a mailbox, however often it is named (RFC 5228 §2.10.3): the first, whatever becomes of the header
    /// (RFC 5293 §7).
    fn copy(&mut self, place: usize, mailbox: MailboxId, flags: MessageFlags, header: HeaderVersion) {
        let copies = &mut self.plan.entries[place].copies;
        let at = match copies.iter().position(|copy| copy.mailbox == mailbox) {
            Some(at) => at,
            None => {
                copies.push(Copy { mailbox, flags: Flags::NONE, keywords: Vec::new(), header });
                copies.len() - 1
            }
        };
        let copy = &mut copies[at];
        copy.flags = copy.flags.union(flags.system);
        copy.keywords.extend(flags.keywords);
        copy.keywords.sort();
        copy.keywords.dedup();
        copy.keywords.truncate(store::MAX_KEYWORDS);
    }

    /// Sends it on; whether everybody has it for that who is to.
    fn redirect(
        &mut self,
        place: usize,
        to: &Address,
        path: &[Address],
        header: &HeaderVersion,
    ) -> Result<bool, Failure> {
        let own = self.plan.entries[place].address.clone();
        if *to == own {
            return Ok(false);
        }
        let question = Question {
            address: EnvelopeAddress::from(to),
            size_bytes: self.mail.message.len() as u64,
            anywhere: true,
            postmaster: self.settings.postmaster.clone(),
            srs: None,
        };
        let resolved = match recipient::resolve(self.services, &question) {
            Ok(resolved) => resolved,
            Err(why) if why.is_temporary() && self.may_wait() => {
                self.forward(place, &question.address, path, header);
                return Ok(true);
            }
            Err(why) => {
                tracing::info!(account = %own, %to, %why, "a script sends mail on to somebody who cannot get it");
                return Ok(false);
            }
        };
        let mut reached = false;
        for local in &resolved.local {
            reached |= self.lead(place, local, &question.address, path, header);
        }
        let mut all = true;
        for remote in &resolved.remote {
            let may = self.settings.queue.is_some() && self.may_send_on(place);
            if may {
                self.forward(place, &remote.address, path, header);
            }
            reached |= may;
            all &= may;
        }
        Ok(reached && all)
    }

    /// Whether an account's scripts may send something to another server now, or answer.
    fn may_send_on(&mut self, place: usize) -> bool {
        let entry = &self.plan.entries[place];
        let rate = self.settings.rate.as_ref();
        let Answer::No { tell } = rate.map_or(Answer::Yes, |rate| rate.allows(Event::SentOn(entry.id))) else {
            return true;
        };
        metrics::counter!("reintegra_smtp_rates_exceeded_total").increment(1);
        tracing::info!(
            id = self.mail.id, account = %entry.address,
            "an account's scripts have sent enough for now: what they would send on is kept, and not answered"
        );
        if tell {
            self.plan.too_much.push((entry.id, entry.address.clone()));
        }
        false
    }

    /// Sends it on to an account here; false where it goes in circles, or too far. Who has it already has it as it is.
    fn lead(
        &mut self,
        place: usize,
        local: &Local,
        to: &EnvelopeAddress,
        path: &[Address],
        header: &HeaderVersion,
    ) -> bool {
        let known = self.plan.entries.iter().position(|entry| entry.address == local.account);
        let next = match known {
            Some(next) if self.leads_to(next, place) => return false,
            Some(next) => next,
            None if self.before.contains(&local.account) => return false,
            None if self.plan.entries.len() >= self.mail.recipients.len().saturating_add(MAX_SENT_ON) => return false,
            None => {
                let path = [std::slice::from_ref(&self.plan.entries[place].address), path].concat();
                let headers = self.plan.entries[place].headers_with(header);
                if headers.len() > MAX_CHANGES {
                    return false;
                }
                let next = self.add(local, to.clone(), path, BTreeSet::new());
                self.plan.entries[next].headers = headers;
                next
            }
        };
        self.plan.entries[place].leads_to.push(next);
        let recipients = self.plan.entries[place].recipients.clone();
        self.add_recipients(next, &recipients);
        true
    }

    /// Sends it on by the queue.
    fn forward(&mut self, place: usize, to: &EnvelopeAddress, path: &[Address], header: &HeaderVersion) {
        let entry = &self.plan.entries[place];
        let (path, recipients) = ([std::slice::from_ref(&entry.address), path].concat(), entry.recipients.clone());
        // A sender who wants to hear nothing of any of them hears nothing of this one.
        let wants_none = recipients.iter().all(|&place| self.notify(place) == Notify::NEVER);
        let notify = if wants_none { Notify::NEVER } else { Notify::DEFAULT };
        let known_as = self.known_as(&recipients);
        let by = By::Account { id: entry.id, path, headers: entry.headers_with(header), ids: entry.ids(self.mail) };
        self.send(by, to, &recipients, notify, known_as);
    }

    /// Answers, where there is a queue that brings the answer.
    fn reply(&mut self, place: usize, reply: VacationReply) {
        if self.settings.queue.is_none() || !self.may_send_on(place) {
            return;
        }
        let entry = &self.plan.entries[place];
        let (recipients, to) = (entry.recipients.clone(), EnvelopeAddress::from(&reply.recipient));
        let by = By::Reply(entry.id, entry.address.clone(), Box::new(reply));
        self.send(by, &to, &recipients, Notify::NEVER, Known::default());
    }

    /// Nothing is done for an account, and its recipients have failed.
    fn fail(&mut self, place: usize, failure: &Failure) {
        let entry = &mut self.plan.entries[place];
        entry.copies.clear();
        for &recipient in &entry.recipients {
            self.plan.outcomes[recipient] = Err(failure.clone());
        }
    }

    /// Says to the sender whom scripts refused: in the answer where that tells nobody what others do, else by the queue.
    fn refusals(&mut self) {
        let refused: Vec<usize> =
            (0..self.plan.entries.len()).filter(|&place| self.plan.entries[place].refused.is_some()).collect();
        if refused.is_empty() {
            return;
        }
        let wholly: Vec<bool> = (0..self.plan.outcomes.len()).map(|place| self.is_refused(place)).collect();
        let answers_all = wholly.iter().all(|wholly| *wholly);
        for place in refused {
            let entry = &self.plan.entries[place];
            let reason = entry.refused.clone().unwrap_or_default();
            let answered: Vec<usize> = entry.recipients.iter().copied().filter(|&r| wholly[r]).collect();
            let in_answer = if self.mail.each { answered.len() == entry.recipients.len() } else { answers_all };
            match in_answer {
                true => answered.iter().for_each(|&r| self.plan.outcomes[r] = Err(Failure::Rejected(reason.clone()))),
                false => self.refuse_later(place),
            }
        }
    }

    /// Whether nobody gets the message for a recipient because scripts do not want it.
    fn is_refused(&self, recipient: usize) -> bool {
        let mut entries = self.plan.entries.iter().filter(|entry| entry.recipients.contains(&recipient)).peekable();
        entries.peek().is_some()
            && entries.all(|entry| entry.refused.is_some())
            && self.plan.outgoing.iter().all(|outgoing| !outgoing.for_recipients.contains(&recipient))
    }

    /// Gives the message to the queue for one account, whose script refuses it there again, so that the queue tells the
    /// sender. A sender whom nobody can tell is none to refuse: the account keeps it.
    fn refuse_later(&mut self, place: usize) {
        let entry = &self.plan.entries[place];
        let (recipients, own) = (entry.recipients.clone(), EnvelopeAddress::from(&entry.address));
        let question = Question { address: own.clone(), size_bytes: 0, anywhere: false, postmaster: None, srs: None };
        let leads_there_alone = recipient::resolve(self.services, &question).is_ok_and(|resolved| {
            resolved.remote.is_empty() && matches!(&resolved.local[..], [only] if only.account == entry.address)
        });
        if self.may_wait() && self.mail.from.is_some() && leads_there_alone {
            let notify = Notify { success: false, failure: true, delay: false };
            // Who named an alias is not told which of those behind it refuses.
            let named = |place: &usize| self.mail.recipients[*place].address.hosted();
            let is_named = recipients.iter().any(|place| named(place).is_some_and(|named| named == entry.address));
            let known = if is_named { Known::default() } else { self.known_as(&recipients) };
            return self.send(By::Sender, &own, &recipients, notify, known);
        }
        let (cell, address) = (self.services.store.cell_of(&entry.address), entry.address.clone());
        let kept = match entry.mail {
            Some(account) => self.plain(place, cell, account),
            None => Ok(()),
        };
        tracing::info!(account = %address, "a script refused a message that nobody can be told of: it is kept");
        if let Err(failure) = kept {
            self.fail(place, &failure);
        }
    }
}

impl Entry {
    /// What stands above the account's copies of a message.
    fn top(&self, mail: &Mail) -> Vec<u8> {
        let mut crlf = trace::delivered(mail.from.as_ref(), &self.address, self.original.as_ref()).into_bytes();
        for before in &self.path {
            crlf.extend_from_slice(format!("Delivered-To: {before}\r\n").as_bytes());
        }
        crlf
    }

    /// The account's copy of a message.
    pub(super) fn bytes(&self, mail: &Mail, header: &HeaderVersion) -> Vec<u8> {
        let mut crlf = self.top(mail);
        push_message(&mut crlf, mail, &self.headers_with(header));
        crlf
    }

    /// What the account's copies, and what it sends on, are known by.
    pub(super) fn ids(&self, mail: &Mail) -> Option<Ids> {
        match self.headers.is_empty() {
            true => mail.ids,
            false => mail.ids.map(|ids| ids.changed_by(&self.path)),
        }
    }

    /// What became of the header on the way to the account and by its script.
    fn headers_with(&self, header: &HeaderVersion) -> Vec<HeaderVersion> {
        let headers = self.headers.iter().chain(std::iter::once(header));
        headers.filter(|header| !header.is_original()).cloned().collect()
    }
}

/// Writes a message with what became of its header, the first change first.
pub(super) fn push_message(out: &mut Vec<u8>, mail: &Mail, headers: &[HeaderVersion]) {
    if headers.is_empty() {
        out.reserve(mail.head.len() + mail.message.len());
        out.extend_from_slice(&mail.head);
        out.extend_from_slice(&mail.message);
        return;
    }
    // Only the header is written anew each time: many may have changed it, and a message may be large.
    let (header, body) = mail.message.split_at(header::length(&mail.message));
    let header = [&mail.head[..], header].concat();
    let edited = headers.iter().fold(header, |header, version| version.apply(&header).into_owned());
    out.reserve(edited.len() + body.len());
    out.extend_from_slice(&edited);
    out.extend_from_slice(body);
}

impl By {
    /// Whether what is done on the behalf of both is one message.
    fn goes_with(&self, other: &By) -> bool {
        match (self, other) {
            (By::Sender, By::Sender) => true,
            (By::Alias(one), By::Alias(other)) => one == other,
            (By::Account { id: one, headers, .. }, By::Account { id: other, headers: others, .. }) => {
                let same = headers.iter().zip(others).all(|(header, other)| header.is_same(other));
                one == other && headers.len() == others.len() && same
            }
            _ => false,
        }
    }
}
