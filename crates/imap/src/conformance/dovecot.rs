//! SEARCH and FETCH over the corpus of real mail, ours beside Dovecot's: the same questions, the same answers, but for
//! differences that are argued here.

use super::harness::{Client, World, lines};
use crate::order::dovecot::wire::Client as Theirs;
use crate::order::dovecot::{FIRST_DATE_S, LOGIN, lay_out};
use message::{Address, Flags, MailboxName};
use std::collections::BTreeSet;
use store::{NewMessage, Prepared};
use testkit::corpus::Mail;
use testkit::dovecot::Dovecot;

/// Questions, with how many messages only Dovecot finds, how many only we find, and why.
const SEARCHES: &[(&str, usize, usize, &str)] = &[
    ("ALL", 0, 0, ""),
    ("SEEN", 0, 0, ""),
    ("LARGER 10000", 0, 0, ""),
    ("SMALLER 1500", 0, 0, ""),
    ("BEFORE 15-Mar-2011", 0, 0, ""),
    (
        "SENTBEFORE 1-Jan-2003",
        22,
        0,
        "what has no date, or none that Dovecot can read, is of 1970 to Dovecot and of no day to us",
    ),
    ("SENTSINCE 1-Jan-2012", 0, 2, "dates that Dovecot cannot read: of the year 3609, and with fractions of a second"),
    ("SENTON 22-Aug-2002", 0, 1, "the year is written 0102"),
    ("FROM ibm", 0, 0, ""),
    ("FROM david", 0, 1, "his name is written with an accent"),
    ("TO openbmc", 0, 0, ""),
    ("TO es.org", 0, 0, ""),
    ("CC lists", 0, 0, ""),
    ("BCC x", 0, 0, ""),
    ("SUBJECT patch", 0, 0, ""),
    ("SUBJECT \"re: \"", 0, 0, ""),
    ("SUBJECT viagra", 0, 0, ""),
    ("HEADER Message-ID gmail", 0, 0, ""),
    ("HEADER List-Id \"\"", 0, 0, ""),
    ("HEADER Received postfix", 0, 0, ""),
    ("HEADER X-Mailer outlook", 0, 0, ""),
    ("HEADER Content-Type multipart", 0, 0, ""),
    ("BODY systemd", 0, 0, ""),
    ("BODY regresion", 0, 14, "so is the word in these"),
    ("BODY \"the kernel\"", 0, 0, ""),
    ("TEXT gmail.com", 0, 0, ""),
    ("TEXT unsubscribe", 1, 0, "it stands within a tag of HTML"),
    ("TEXT datos", 0, 0, ""),
];

const NO_BODY: &str =
    "a message without body and empty line: RFC 9051 §6.4.5 leaves the empty line out, Dovecot adds one";

/// What is fetched of every message, with how many answers differ, and why.
const FETCHES: &[(&str, usize, &str)] = &[
    ("RFC822.SIZE", 0, ""),
    ("BODY.PEEK[HEADER.FIELDS (FROM TO CC DATE SUBJECT)]", 1, NO_BODY),
    ("BODY.PEEK[HEADER.FIELDS (SUBJECT X-MAILER)]", 1, NO_BODY),
    ("BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED SUBJECT)]", 0, ""),
    ("BODY.PEEK[HEADER]", 0, ""),
    ("BODY.PEEK[TEXT]<0.200>", 1, "Dovecot writes the byte 80 for NUL, we tell what is there"),
    (
        "BODY.PEEK[1]<10.100>",
        5,
        "NUL as above; NIL and no empty text for a part that is not there; and two boundaries that `order::dovecot` argues",
    ),
];

/// Every so many messages of the corpus: to look into all of them takes minutes without optimisation.
const EVERY: usize = 3;

#[test]
fn dovecot_finds_the_same() {
    let Some(corpus) = testkit::incident::require() else { return };
    let mails: Vec<Mail> = testkit::corpus::read(&corpus).unwrap().into_iter().step_by(EVERY).collect();
    let place = tempfile::tempdir().unwrap();
    lay_out(&mails, place.path());
    let Some(dovecot) = Dovecot::start(place.path(), None).unwrap() else { return };
    let mut theirs = Theirs::connect(dovecot.imap(), LOGIN);
    let world = World::new();
    let mut ours = with_corpus(&world, &mails);

    let mut unexpected = Vec::new();
    for (key, theirs_alone, ours_alone, why) in SEARCHES {
        let command = format!("UID SEARCH {key}");
        let (theirs, ours) = (found(&theirs.ask(&command)), found_by(&mut ours, &command));
        let only = |one: &BTreeSet<u32>, other: &BTreeSet<u32>| -> Vec<String> {
            one.difference(other).map(|uid| mails[*uid as usize - 1].name.clone()).collect()
        };
        let (only_theirs, only_ours) = (only(&theirs, &ours), only(&ours, &theirs));
        if (only_theirs.len(), only_ours.len()) != (*theirs_alone, *ours_alone) {
            unexpected.push(format!("{key} ({why}): only theirs {only_theirs:?}; only ours {only_ours:?}"));
        }
    }
    for (items, may_differ, why) in FETCHES {
        let command = format!("FETCH 1:* ({items})");
        let (theirs, ours) = (theirs.ask(&command), responses(&ours.raw(format!("a {command}\r\n").as_bytes())));
        let pairs = theirs.iter().zip(&ours).zip(&mails).filter(|((theirs, ours), _)| theirs != ours);
        let differing: Vec<String> = pairs.map(|(pair, mail)| format!("{}: {}", mail.name, text_of(pair))).collect();
        if theirs.len() != mails.len() || differing.len() != *may_differ {
            unexpected.push(format!("{items} ({why}): {} of {}; {differing:#?}", differing.len(), theirs.len()));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    world.finish();
}

/// The corpus in Ana's INBOX, with the UIDs and dates of the Maildir.
fn with_corpus(world: &World, mails: &[Mail]) -> Client {
    let mut ana = world.ana();
    let cell = &world.services.store.cells()[0];
    let account = cell.open_served(&Address::new(LOGIN).unwrap()).unwrap();
    let inbox = cell.read(|view| view.mailbox_by_name(account.id, &MailboxName::inbox())).unwrap().unwrap();
    // Not by APPEND, which refuses what old mail has: NULs, and binary data.
    let messages: Vec<NewMessage> = mails.iter().zip(FIRST_DATE_S..).map(new_message).collect();
    for chunk in messages.chunks(500) {
        cell.append(account.id, inbox.id, chunk.to_vec()).unwrap().unwrap();
    }
    ana.ok("s SELECT INBOX");
    ana
}

fn new_message((mail, date): (&Mail, i64)) -> NewMessage {
    let crlf = message::to_crlf(&mail.raw);
    let bytes = Prepared::new(&crlf, &message::examine(&crlf));
    NewMessage { bytes, flags: Flags::NONE, keywords: Vec::new(), internal_date: Some(date) }
}

fn found(responses: &[Vec<u8>]) -> BTreeSet<u32> {
    let line = responses.iter().find(|line| line.starts_with(b"* SEARCH")).unwrap();
    let text = std::str::from_utf8(line).unwrap();
    text.strip_prefix("* SEARCH").unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn found_by(client: &mut Client, command: &str) -> BTreeSet<u32> {
    let said = lines(&client.raw(format!("a {command}\r\n").as_bytes()));
    found(&said.into_iter().map(String::into_bytes).collect::<Vec<_>>())
}

/// The untagged responses, as bytes with their CRLF.
fn responses(said: &[u8]) -> Vec<Vec<u8>> {
    let (mut responses, mut begin) = (Vec::new(), 0);
    while let Some(length) = response_length(&said[begin..]) {
        responses.push(said[begin..begin + length].to_vec());
        begin += length;
    }
    responses.retain(|response| response.starts_with(b"* "));
    responses
}

fn response_length(said: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = at + said[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let digits = said[at..line].strip_suffix(b"}").and_then(|text| text.rsplit(|byte| *byte == b'{').next());
        let literal = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        match literal {
            Some(bytes) => at = line + 2 + bytes,
            None => return Some(line + 2),
        }
    }
}

fn text_of((theirs, ours): (&Vec<u8>, &Vec<u8>)) -> String {
    let begin = theirs.iter().zip(ours).position(|(one, other)| one != other).unwrap_or(0).saturating_sub(60);
    let piece = |bytes: &[u8]| bytes[begin.min(bytes.len())..bytes.len().min(begin + 160)].escape_ascii().to_string();
    format!("theirs …{}… ours …{}…", piece(theirs), piece(ours))
}
