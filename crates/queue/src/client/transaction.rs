//! A transaction: one message to some recipients on a connection.

use super::commands;
use super::connection::Connection;
use super::reply::Reply;
use super::stuffing::Stuffed;
use super::{Fault, Step, Times, within};
use crate::job::{Addressee, Said, Verdict};
use std::time::Duration;
use store::spool::Envelope;
use tokio::time::Instant;

/// The slowest that a message may go, after ten minutes that every one is given: a server that takes a byte now and
/// then holds a connection, and the message's memory, for ever.
const SLOWEST_BYTES_PER_S: u64 = 8192;
/// Given to every message, however short.
const FIRST_BYTES_S: u64 = 600;
/// How long a server that breaks off is listened to for its reason.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Recipients between two looks at the answers: commands and answers of so many fit into the buffers of both ends.
const GROUP: usize = 50;

/// What is sent, and to whom.
pub(crate) struct Mail<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) message: &'a [u8],
    /// Whether it holds bytes above 127.
    pub(crate) eight_bit: bool,
    pub(crate) recipients: Vec<&'a Addressee>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Told {
    /// For each recipient in their order; `None`: this server has not decided.
    pub(crate) verdicts: Vec<Option<Verdict>>,
    /// Why the connection is of no use any more.
    pub(crate) ended: Option<Fault>,
}

/// Offers a message to a server for all recipients at once.
///
/// # Cancel safety Dropped after the final dot, it is unknown whether the server took the message: it is sent again by
/// whoever still has it.
pub(crate) async fn transact(connection: &mut Connection, mail: &Mail<'_>, times: &Times, until: Instant) -> Told {
    let mut transaction = Transaction {
        connection,
        mail,
        times,
        until,
        verdicts: vec![None; mail.recipients.len()],
        accepted: Vec::new(),
    };
    let ended = transaction.run().await.err();
    Told { verdicts: transaction.verdicts, ended }
}

struct Transaction<'a> {
    connection: &'a mut Connection,
    mail: &'a Mail<'a>,
    times: &'a Times,
    until: Instant,
    verdicts: Vec<Option<Verdict>>,
    /// Recipients that the server took, by their places.
    accepted: Vec<usize>,
}

impl Transaction<'_> {
    async fn run(&mut self) -> Result<(), Fault> {
        let utf8 = self.refuse_what_cannot_be_sent()?;
        if self.undecided().is_empty() {
            return Ok(());
        }
        self.connection.untidy = true;
        let data = self.envelope(utf8).await?;
        if self.accepted.is_empty() {
            return self.withdraw(data).await;
        }
        let data = match data {
            Some(data) => data,
            None => {
                self.send(Step::Data, b"DATA\r\n").await?;
                self.reply(Step::Data, self.times.data).await?
            }
        };
        if !data.is_intermediate() {
            if data.code < 400 {
                return Err(Fault::Unexpected(Step::Data, data));
            }
            self.answer_accepted(&data);
            return if data.closes() { Err(Fault::Refused(Step::Data, data)) } else { Ok(()) };
        }
        if self.connection.has_unread() {
            return Err(Fault::Unexpected(Step::Data, data));
        }
        self.message().await
    }

    /// Decides about recipients that this server cannot serve; yields whether SMTPUTF8 is used for the others.
    fn refuse_what_cannot_be_sent(&mut self) -> Result<bool, Fault> {
        let (mail, can) = (self.mail, &self.connection.can);
        let server = Some(self.connection.server.clone());
        let refuse =
            |status, text: &str| Some(Verdict::Never(Said { server: server.clone(), status, text: text.to_owned() }));
        if mail.envelope.require_tls && !(can.require_tls && self.connection.is_encrypted()) {
            return Err(Fault::NoRequireTls);
        }
        let size_bytes = mail.message.len() as u64;
        if let Some(limit) = can.size_bytes.filter(|limit| *limit > 0 && size_bytes > *limit) {
            let text = format!("the message has {size_bytes} bytes, and the server takes {limit} at most");
            self.verdicts.fill(refuse((5, 3, 4), &text));
            return Ok(false);
        }
        let of_all = mail.envelope.smtputf8 || !mail.envelope.reverse_path.is_ascii();
        let mut utf8 = of_all;
        for (verdict, recipient) in self.verdicts.iter_mut().zip(&mail.recipients) {
            if !commands::is_safe(&recipient.address) || !commands::is_safe(&mail.envelope.reverse_path) {
                *verdict = refuse((5, 1, 3), "the address cannot be written in SMTP");
            } else if (of_all || !recipient.address.is_ascii()) && !can.smtputf8 {
                *verdict =
                    refuse((5, 6, 7), "the addresses or the header need SMTPUTF8, which the server does not offer");
            } else {
                utf8 |= !recipient.address.is_ascii();
            }
        }
        Ok(utf8)
    }

    /// MAIL, RCPT for each, and DATA where the server takes commands in groups (RFC 2920); yields the answer to DATA if
    /// it was among them.
    async fn envelope(&mut self, utf8: bool) -> Result<Option<Reply>, Fault> {
        let (mail, undecided) = (self.mail, self.undecided());
        let can = self.connection.can.clone();
        let sender = commands::mail(mail.envelope, mail.message.len(), mail.eight_bit, utf8, &can);
        if !can.pipelining {
            self.send(Step::Mail, sender.as_bytes()).await?;
            self.sender_answered().await?;
            for place in undecided {
                let line = commands::recipient(mail.recipients[place], &can);
                self.send(Step::Recipient, line.as_bytes()).await?;
                self.recipient_answered(place).await?;
            }
            return Ok(None);
        }
        let mut groups = undecided.chunks(GROUP).peekable();
        let mut lines = sender;
        let mut first = true;
        while let Some(group) = groups.next() {
            for place in group {
                lines.push_str(&commands::recipient(mail.recipients[*place], &can));
            }
            let last = groups.peek().is_none();
            if last {
                lines.push_str("DATA\r\n");
            }
            self.send(Step::Recipient, lines.as_bytes()).await?;
            lines.clear();
            if std::mem::take(&mut first) {
                self.sender_answered().await?;
            }
            for place in group {
                self.recipient_answered(*place).await?;
            }
        }
        Ok(Some(self.reply(Step::Data, self.times.data).await?))
    }

    /// A sender that is refused ends the connection with its transaction: what was sent behind it needs no answers
    /// then.
    async fn sender_answered(&mut self) -> Result<(), Fault> {
        let reply = self.reply(Step::Mail, self.times.mail).await?;
        if reply.is_positive() {
            return Ok(());
        }
        let fault = self.connection.refused(Step::Mail, reply);
        if fault.is_permanent() {
            let verdict = Verdict::Never(fault.said_by(&self.connection.server));
            for place in self.undecided() {
                self.verdicts[place] = Some(verdict.clone());
            }
        }
        Err(fault)
    }

    async fn recipient_answered(&mut self, place: usize) -> Result<(), Fault> {
        let reply = self.reply(Step::Recipient, self.times.recipient).await?;
        if reply.closes() {
            return Err(Fault::Refused(Step::Recipient, reply));
        }
        if reply.is_positive() {
            self.accepted.push(place);
        } else if reply.is_too_many_recipients() && !self.accepted.is_empty() {
            // The next transaction has room for it.
        } else if reply.code >= 400 {
            self.verdicts[place] = Some(self.verdict(&reply));
        } else {
            return Err(Fault::Unexpected(Step::Recipient, reply));
        }
        Ok(())
    }

    /// Nobody gets the message: a server that waits for it all the same gets none (RFC 2920 §3.1).
    async fn withdraw(&mut self, data: Option<Reply>) -> Result<(), Fault> {
        let Some(data) = data.filter(|data| data.code < 400 || data.closes()) else { return Ok(()) };
        if data.is_intermediate() {
            self.send(Step::Message, b".\r\n").await?;
            let reply = self.reply(Step::End, self.times.end).await?;
            if !reply.closes() {
                return Ok(());
            }
        }
        Err(self.connection.refused(Step::Data, data))
    }

    async fn message(&mut self) -> Result<(), Fault> {
        let patience = Duration::from_secs(FIRST_BYTES_S + self.mail.message.len() as u64 / SLOWEST_BYTES_PER_S);
        let until = Instant::now() + patience;
        let mut stuffed = Stuffed::new(self.mail.message);
        let mut block = Vec::new();
        loop {
            let last = stuffed.next(&mut block);
            let sent = self.connection.send(Step::Message, &block, within(self.times.block, until)).await;
            match sent {
                Ok(()) if last => return self.acknowledgement(self.times.end).await,
                Ok(()) => {}
                Err(fault) => {
                    let fault = self.last_words(fault).await;
                    if last {
                        // The dot may have left.
                        let left = std::mem::take(&mut self.accepted);
                        self.unknown(&left, &fault);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// A server that breaks off may have said why before it did. That it took the message is not believed.
    async fn last_words(&mut self, fault: Fault) -> Fault {
        match self.connection.reply(Step::Message, LAST_WORDS).await {
            Ok(reply) if reply.code >= 400 => {
                self.answer_accepted(&reply);
                Fault::Refused(Step::Message, reply)
            }
            _ => fault,
        }
    }

    /// What the server answers to the final dot: for all, or for each where LMTP is spoken (RFC 2033 §4.2).
    async fn acknowledgement(&mut self, limit: Duration) -> Result<(), Fault> {
        let mut left = std::mem::take(&mut self.accepted);
        while !left.is_empty() {
            let reply = match self.connection.reply(Step::End, limit).await {
                Ok(reply) if reply.code >= 400 || reply.is_positive() => reply,
                other => {
                    let fault = other.map_or_else(|fault| fault, |reply| Fault::Unexpected(Step::End, reply));
                    self.unknown(&left, &fault);
                    return Err(fault);
                }
            };
            let verdict = self.verdict(&reply);
            let decided = if self.connection.lmtp { 1 } else { left.len() };
            for place in left.drain(..decided) {
                self.verdicts[place] = Some(verdict.clone());
            }
            if reply.closes() {
                // LMTP: nothing will be said of the others.
                let fault = Fault::Refused(Step::End, reply);
                self.unknown(&left, &fault);
                return Err(fault);
            }
        }
        self.connection.untidy = false;
        Ok(())
    }

    /// Nobody knows whether the server has the message (RFC 1047): it is sent again another time, and not to another
    /// server now.
    fn unknown(&mut self, places: &[usize], fault: &Fault) {
        let mut said = fault.said_by(&self.connection.server);
        said.status = (4, 4, 2);
        for place in places {
            self.verdicts[*place] = Some(Verdict::Later(said.clone()));
        }
    }

    fn answer_accepted(&mut self, reply: &Reply) {
        let verdict = self.verdict(reply);
        for place in std::mem::take(&mut self.accepted) {
            self.verdicts[place] = Some(verdict.clone());
        }
    }

    fn verdict(&self, reply: &Reply) -> Verdict {
        let said = reply.said_by(&self.connection.server);
        if reply.is_positive() {
            Verdict::Relayed { said, tells: self.connection.can.dsn }
        } else if reply.is_permanent() {
            Verdict::Never(said)
        } else {
            Verdict::Later(said)
        }
    }

    fn undecided(&self) -> Vec<usize> {
        (0..self.verdicts.len()).filter(|place| self.verdicts[*place].is_none()).collect()
    }

    async fn send(&mut self, step: Step, bytes: &[u8]) -> Result<(), Fault> {
        let limit = within(self.times.block, self.until);
        self.connection.send(step, bytes, limit).await
    }

    async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply, Fault> {
        self.connection.reply(step, within(limit, self.until)).await
    }
}
