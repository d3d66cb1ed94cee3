//! MAIL, RCPT, DATA, BDAT: a message on its way in.

use super::{Next, Session, State};
use crate::answer;
use crate::data::{DataLimits, Fault, Receiver};
use crate::deliver::{Accepted, Failure, Mail};
use crate::rate::Event;
use crate::recipient::{Question, Rejection, Resolved};
use crate::settings::{Role, Settings};
use crate::syntax::{EnvelopeAddress, MailParameters, RcptParameters, Recipient, Reply};
use crate::trace::{Trace, With};
use edge::Reservation;
use std::sync::atomic::{AtomicU64, Ordering};
use store::spool::Purpose;

/// What is still read of a message that is refused, beyond the largest that is taken, before the session ends.
const SPARE_BYTES: u64 = 1024 * 1024;

/// How many accounts and addresses the recipients of one message may lead to, before no more of them are taken: one list has
/// as many names as there are subaddresses.
const MAX_TARGETS: usize = 10_000;

static MESSAGES: AtomicU64 = AtomicU64::new(1);

/// A message on its way in.
pub(super) struct Transaction {
    from: Option<EnvelopeAddress>,
    parameters: MailParameters,
    recipients: Vec<Accepted>,
    /// What came in chunks.
    chunks: Option<Box<Body>>,
}

/// The bytes of a message, and the memory that they may take.
pub(super) struct Body {
    receiver: Receiver,
    reservation: Reservation,
}

impl Body {
    fn push(&mut self, input: &[u8]) -> usize {
        let count = self.receiver.push(input);
        if !self.reservation.grow_to(self.receiver.held_bytes()) {
            self.receiver.refuse(Fault::NoRoom);
        }
        count
    }
}

impl Session {
    pub(super) fn mail(
        &mut self,
        from: Option<EnvelopeAddress>,
        parameters: MailParameters,
        out: &mut Vec<u8>,
    ) -> Next {
        let is_submission = self.settings.role == Role::Submission;
        let dsn = parameters.ret.is_some() || parameters.envid.is_some();
        if self.hello.is_none() {
            return self.out_of_order("introduce yourself first", out);
        }
        if self.transaction.is_some() {
            return self.out_of_order("a message is under way already", out);
        }
        if is_submission && self.services.policy.require_tls && !self.peer.secure {
            return self.say(&Reply::new(530, (5, 7, 0), "begin TLS first (STARTTLS)"), out);
        }
        if is_submission && self.user.is_none() {
            return self.say(&Reply::new(530, (5, 7, 0), "sign in first"), out);
        }
        if dsn && self.settings.queue.is_none() || parameters.require_tls && !self.peer.tls {
            return self.say(&unknown_parameter(), out);
        }
        if parameters.size_bytes.is_some_and(|size| size > self.settings.limits.message_bytes as u64) {
            return self.say(&answer::to_fault(Fault::TooLarge), out);
        }
        if !self.allows(&Event::Message(&self.peer, self.account())) {
            return self.say(&Reply::new(450, (4, 7, 1), "too many messages: try again later"), out);
        }
        let transaction = Box::new(Transaction { from, parameters, recipients: Vec::new(), chunks: None });
        match (&transaction.from, is_submission) {
            (Some(from), true) => {
                let asked = from.clone();
                self.state = State::CheckingSender(transaction);
                Next::Sender(asked)
            }
            _ => self.begin(transaction, out),
        }
    }

    /// Whether the sender may be who they say; `None`: it cannot be found out.
    pub(crate) fn sender_checked(&mut self, may: Option<bool>, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let State::CheckingSender(transaction) = state else { return self.close() };
        match may {
            Some(true) => self.begin(transaction, out),
            Some(false) => self.say(&Reply::new(553, (5, 7, 1), "that sender's address is not yours"), out),
            None => self.say(&Reply::new(451, (4, 3, 0), "senders cannot be looked up for the moment"), out),
        }
    }

    fn begin(&mut self, transaction: Box<Transaction>, out: &mut Vec<u8>) -> Next {
        self.transaction = Some(transaction);
        self.say(&Reply::new(250, (2, 1, 0), "for whom?"), out)
    }

    pub(super) fn rcpt(&mut self, to: Recipient, parameters: RcptParameters, out: &mut Vec<u8>) -> Next {
        let Some(transaction) = &self.transaction else { return self.out_of_order("say MAIL first", out) };
        if transaction.chunks.is_some() {
            return self.out_of_order("the message is coming already", out);
        }
        if (parameters.notify.is_some() || parameters.orcpt.is_some()) && self.settings.queue.is_none() {
            return self.say(&unknown_parameter(), out);
        }
        let targets = transaction.recipients.iter().map(|accepted| accepted.resolved.targets()).sum::<usize>();
        if transaction.recipients.len() >= self.settings.limits.recipients || targets >= MAX_TARGETS {
            return self
                .say(&Reply::new(452, (4, 5, 3), "that are enough recipients: send it to the others after"), out);
        }
        let address = match (to, &self.settings.postmaster) {
            (Recipient::Address(address), _) => address,
            (Recipient::Postmaster, Some(postmaster)) => EnvelopeAddress::from(postmaster),
            (Recipient::Postmaster, None) => return self.rejected(Rejection::Unknown, out),
        };
        if address.is_utf8() && !transaction.parameters.utf8 {
            return self.say(&Reply::new(553, (5, 6, 7), "that needs SMTPUTF8"), out);
        }
        let size_bytes = transaction.parameters.size_bytes.unwrap_or(0);
        if !self.allows(&Event::Recipient(&self.peer, self.account())) {
            return self.say(&Reply::new(450, (4, 7, 1), "too many recipients: try again later"), out);
        }
        let writes_dsn = transaction.from.is_none();
        let question = Question {
            address: address.clone(),
            size_bytes,
            anywhere: self.settings.role == Role::Submission,
            postmaster: self.settings.postmaster.clone(),
            srs: self.settings.queue.as_ref().filter(|_| writes_dsn).and_then(|queue| queue.settings().srs.clone()),
        };
        self.state = State::CheckingRecipient(address, parameters);
        Next::Recipient(question)
    }

    /// Who a recipient is.
    pub(crate) fn recipient_checked(&mut self, found: Result<Resolved, Rejection>, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let State::CheckingRecipient(address, parameters) = state else { return self.close() };
        let Some(transaction) = &mut self.transaction else { return self.close() };
        match found {
            // Nothing here brings mail to other servers.
            Ok(resolved) if !resolved.remote.is_empty() && self.settings.queue.is_none() => {
                self.rejected(Rejection::Elsewhere, out)
            }
            Ok(resolved) => {
                transaction.recipients.push(Accepted { address, parameters, resolved });
                self.say(&Reply::new(250, (2, 1, 5), "gets it"), out)
            }
            Err(why) => self.rejected(why, out),
        }
    }

    fn rejected(&mut self, why: Rejection, out: &mut Vec<u8>) -> Next {
        if why == Rejection::Unknown {
            // Whoever tries names is counted; the answer is the same.
            self.allows(&Event::Unknown(&self.peer));
        }
        self.say(&answer::to_rejection(why), out)
    }

    pub(super) fn data(&mut self, out: &mut Vec<u8>) -> Next {
        match &self.transaction {
            None => self.out_of_order("say MAIL first", out),
            Some(transaction) if transaction.recipients.is_empty() => self.out_of_order("nobody gets it", out),
            Some(transaction) if transaction.chunks.is_some() => self.out_of_order("it comes in chunks", out),
            Some(_) => {
                Reply::plain(354, "go on, to a line of a dot").write(out);
                let receiver = Receiver::of_data(self.data_limits());
                self.state = State::Data(Box::new(Body { receiver, reservation: self.reserve() }));
                Next::Body
            }
        }
    }

    pub(super) fn bdat(&mut self, size_bytes: u64, last: bool, out: &mut Vec<u8>) -> Next {
        let limits = self.data_limits();
        let reservation = self.reserve();
        let mut came_bytes = 0;
        match &mut self.transaction {
            Some(transaction) if !transaction.recipients.is_empty() => {
                let fresh = || Box::new(Body { receiver: Receiver::of_chunks(limits), reservation });
                came_bytes = transaction.chunks.get_or_insert_with(fresh).receiver.received_bytes();
                // A large message is many chunks, and its size bounds them.
                self.idle_commands -= u32::from(size_bytes > 0);
            }
            // The chunk is on its way all the same (RFC 3030 §2).
            _ => self.transaction = None,
        }
        if came_bytes.saturating_add(size_bytes) > self.most_read_bytes() {
            answer::to_fault(Fault::TooLarge).write(out);
            return self.close();
        }
        self.state = State::Chunk { left_bytes: size_bytes, last };
        if size_bytes == 0 { self.chunk_came(last, out) } else { Next::Body }
    }

    /// Bytes of a message: how many of them belonged to it.
    pub(crate) fn body(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Next) {
        let most_bytes = self.most_read_bytes();
        match &mut self.state {
            State::Data(body) => {
                let count = body.push(input);
                if body.receiver.has_ended() {
                    return (count, self.data_came(out));
                }
                if body.receiver.received_bytes() > most_bytes {
                    answer::to_fault(Fault::TooLarge).write(out);
                    return (count, self.close());
                }
                (count, Next::Body)
            }
            State::Chunk { left_bytes, last } => {
                let count = usize::try_from(*left_bytes).unwrap_or(usize::MAX).min(input.len());
                if let Some(body) = self.transaction.as_mut().and_then(|open| open.chunks.as_mut()) {
                    body.push(&input[..count]);
                }
                *left_bytes -= count as u64;
                let next = match (*left_bytes, *last) {
                    (0, last) => self.chunk_came(last, out),
                    _ => Next::Body,
                };
                (count, next)
            }
            _ => (0, self.close()),
        }
    }

    fn data_came(&mut self, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let (State::Data(body), Some(transaction)) = (state, self.transaction.take()) else { return self.close() };
        self.came(*transaction, *body, out)
    }

    fn chunk_came(&mut self, last: bool, out: &mut Vec<u8>) -> Next {
        self.state = State::Ready;
        let Some(transaction) = &mut self.transaction else { return self.out_of_order("nobody gets it", out) };
        if !last {
            return self.say(&Reply::new(250, (2, 0, 0), "go on"), out);
        }
        match (transaction.chunks.take(), self.transaction.take()) {
            (Some(body), Some(transaction)) => self.came(*transaction, *body, out),
            _ => self.close(),
        }
    }

    /// All of a message came.
    fn came(&mut self, transaction: Transaction, body: Body, out: &mut Vec<u8>) -> Next {
        let Body { receiver, reservation } = body;
        let of_data = receiver.has_ended();
        let mut message = match receiver.finish() {
            Ok(message) => message,
            // What comes behind may be meant as a part of it by whoever brought it: nothing there is obeyed.
            Err(fault @ (Fault::BareEnding | Fault::Nul)) if of_data => {
                let count = self.answers(transaction.recipients.len());
                (0..count).for_each(|_| answer::to_fault(fault).write(out));
                return self.close();
            }
            Err(fault) => {
                let count = self.answers(transaction.recipients.len());
                // Of many answers to one message, one counts as a mistake.
                (1..count).for_each(|_| answer::to_fault(fault).write(out));
                return self.say(&answer::to_fault(fault), out);
            }
        };
        crate::inspect::set_apart(&mut message);
        let id =
            format!("{:x}-{:x}", jiff::Timestamp::now().as_microsecond(), MESSAGES.fetch_add(1, Ordering::Relaxed));
        let trace = self.trace(id.clone(), transaction.parameters.utf8);
        self.state = State::Delivering { id: id.clone() };
        let Transaction { from, parameters, recipients, .. } = transaction;
        let head = Mail::received(&trace, &recipients);
        let is_submission = self.settings.role == Role::Submission;
        let mail = Mail {
            from,
            parameters,
            recipients,
            head,
            message,
            id,
            helo: trace.client_name.clone(),
            client: Some(trace.client),
            at_s: trace.at.as_second(),
            purpose: if is_submission { Purpose::Submission } else { Purpose::Forward },
            account: self.user.as_ref().map(|user| user.account.address.to_string()),
            submitter: self.user.as_ref().map(|user| Box::new(user.account.clone())),
            findings: None,
            dmarc: None,
            unwanted: false,
            each: self.settings.role == Role::Lmtp,
            may_wait: true,
            ids: None,
            _memory: Some(reservation),
        };
        Next::Deliver(Box::new(mail))
    }

    fn trace(&self, id: String, utf8: bool) -> Trace {
        let (name, extended) = self.hello.as_ref().map_or(("unknown", false), |hello| (&hello.name, hello.extended));
        let with = With {
            lmtp: self.settings.role == Role::Lmtp,
            extended,
            utf8,
            tls: self.peer.tls,
            signed_in: self.user.is_some(),
        };
        Trace {
            client_name: name.to_owned(),
            client: self.peer.address.ip(),
            host: self.services.policy.hostname.clone(),
            software: self.services.policy.software.clone(),
            with: with.keyword(),
            tls: self.tls.clone(),
            id,
            at: jiff::Timestamp::now(),
        }
    }

    /// What became of a message, for each recipient.
    pub(crate) fn delivered(&mut self, outcomes: &[Result<(), Failure>], out: &mut Vec<u8>) -> Next {
        let State::Delivering { id } = std::mem::replace(&mut self.state, State::Ready) else { return self.close() };
        let reply = |outcome: &Result<(), Failure>| match outcome {
            Ok(()) => Reply::new(250, (2, 0, 0), format!("delivered as {id}")),
            Err(failure) => answer::to_failure(failure),
        };
        (self.idle_commands, self.mistakes) = (0, 0);
        if self.settings.role == Role::Lmtp {
            outcomes.iter().for_each(|outcome| reply(outcome).write(out));
            return Next::Line;
        }
        // What may be delivered later is said first: a refusal for good would make a bounce of it.
        let replies: Vec<Reply> = outcomes.iter().map(reply).collect();
        let worst = replies.iter().find(|reply| reply.is_temporary()).or(replies.iter().find(|reply| !reply.is_good()));
        match worst.or(replies.first()) {
            Some(reply) => self.say(reply, out),
            None => self.close(),
        }
    }

    /// How many answers a message gets (RFC 2033 §4.2).
    fn answers(&self, recipients: usize) -> usize {
        if self.settings.role == Role::Lmtp { recipients } else { 1 }
    }

    /// Memory for a message.
    fn reserve(&self) -> Reservation {
        let Settings { parts, memory, limits, .. } = &*self.settings;
        parts.of(memory, limits.message_bytes as u64, self.peer.networks().narrow).reserve()
    }

    fn data_limits(&self) -> DataLimits {
        let limits = &self.settings.limits;
        DataLimits { message_bytes: limits.message_bytes, line_bytes: limits.line_bytes }
    }

    fn most_read_bytes(&self) -> u64 {
        // Doubled dots count too.
        (self.settings.limits.message_bytes as u64).saturating_mul(2).saturating_add(SPARE_BYTES)
    }
}

/// A parameter of an extension that is not offered here.
fn unknown_parameter() -> Reply {
    Reply::new(555, (5, 5, 4), "a parameter is not known here")
}
