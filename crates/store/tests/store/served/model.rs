//! Random changes of an account's served mailboxes, each followed by a model in memory. After each, what the index holds,
//! what images show and what changed behind a modification sequence are what the model says; at the end the store is sound.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use message::{Flags, MailboxName};
use proptest::prelude::*;
use store::{Account, Cell, FlagMode, Image, MailboxId, Refused, Store, Usage};

use super::support::{Seen, change, counted, held, id_of, keywords, new_message, shown, text_of};
use crate::support::{DATE, address, assert_sound, delivery, name, open, options, raw, scratch};

const ANA: &str = "ana@example.org";
const NAMES: [&str; 7] = ["INBOX", "Sent", "a", "a/b", "a/b/c", "INBOX/x", "z/y"];
/// Few, so that bytes come again.
const TEXTS: [&str; 5] = ["a", "b", "c*900", "d*3000", "e"];
const WORDS: [&str; 4] = ["$Junk", "Uno", "dos", "Zweite"];
const CASES: u32 = 40;

#[derive(Clone, Debug)]
enum Op {
    Append(usize, Vec<(usize, u8, u8)>),
    /// Past the rules' own door, as SMTP does.
    Deliver(usize, Vec<usize>),
    /// Which, by bits of their places; unchanged since the mailbox's sequence less this; flags; keywords.
    Flag(usize, u32, Option<u64>, u8, u8, u8),
    Expunge(usize, Option<u32>),
    Copy(usize, u32, usize),
    Move(usize, u32, usize),
    Replace(usize, usize, usize),
    Create(usize),
    Rename(usize, usize),
    Delete(usize),
    Subscribe(usize, bool),
    Annotate(Option<usize>, usize, Option<u8>),
    /// Row by row: UIDNEXT and HIGHESTMODSEQ go up, and a message's date changes.
    Raw(usize, usize),
    Reopen,
}

fn any_op() -> impl Strategy<Value = Op> {
    let mailbox = || prop_oneof![3 => Just(0usize), 3 => 0..NAMES.len()];
    let message = (0..TEXTS.len(), any::<u8>(), any::<u8>());
    prop_oneof![
        8 => (mailbox(), proptest::collection::vec(message, 0..5)).prop_map(|(m, list)| Op::Append(m, list)),
        3 => (mailbox(), proptest::collection::vec(0..TEXTS.len(), 1..4)).prop_map(|(m, list)| Op::Deliver(m, list)),
        8 => (mailbox(), any::<u32>(), proptest::option::of(0..4u64), 0..3u8, any::<u8>(), any::<u8>())
            .prop_map(|(m, which, since, mode, flags, words)| Op::Flag(m, which, since, mode, flags, words)),
        5 => (mailbox(), proptest::option::of(any::<u32>())).prop_map(|(m, which)| Op::Expunge(m, which)),
        3 => (mailbox(), any::<u32>(), mailbox()).prop_map(|(m, which, to)| Op::Copy(m, which, to)),
        3 => (mailbox(), any::<u32>(), mailbox()).prop_map(|(m, which, to)| Op::Move(m, which, to)),
        2 => (mailbox(), 0..6usize, mailbox()).prop_map(|(m, n, to)| Op::Replace(m, n, to)),
        6 => mailbox().prop_map(Op::Create),
        4 => (mailbox(), mailbox()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => mailbox().prop_map(Op::Delete),
        2 => (mailbox(), any::<bool>()).prop_map(|(m, yes)| Op::Subscribe(m, yes)),
        2 => (proptest::option::of(mailbox()), 0..2usize, proptest::option::of(any::<u8>()))
            .prop_map(|(m, entry, value)| Op::Annotate(m, entry, value)),
        1 => (mailbox(), 0..6usize).prop_map(|(m, n)| Op::Raw(m, n)),
        1 => Just(Op::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    text: usize,
    flags: Flags,
    keywords: BTreeSet<&'static str>,
    internal_date: i64,
    modseq: u64,
}

#[derive(Clone, Debug)]
struct Mailbox {
    id: MailboxId,
    uidvalidity: u32,
    uidnext: u32,
    modseq: u64,
    subscribed: bool,
    messages: BTreeMap<u32, Message>,
    expunged: BTreeMap<u32, u64>,
    annotations: BTreeMap<String, Vec<u8>>,
}

impl Mailbox {
    fn add(&mut self, message: Message) -> u32 {
        let uid = self.uidnext;
        self.uidnext += 1;
        self.messages.insert(uid, message);
        uid
    }

    fn expunge(&mut self, uids: &[u32]) -> u64 {
        self.modseq += u64::from(!uids.is_empty());
        for uid in uids {
            self.messages.remove(uid).unwrap();
            self.expunged.insert(*uid, self.modseq);
        }
        self.modseq
    }

    /// UIDs by the bits of their places, and one that nobody has.
    fn some(&self, which: u32) -> Vec<u32> {
        let chosen = self.messages.keys().enumerate().filter(|(n, _)| which >> (n % 32) & 1 == 1).map(|(_, uid)| *uid);
        chosen.chain([self.uidnext + 7]).collect()
    }
}

struct World<'a> {
    dir: &'a Path,
    store: Option<Store>,
    ana: Account,
    mailboxes: BTreeMap<&'static str, Mailbox>,
    /// Subscribed to without a mailbox.
    waiting: BTreeSet<&'static str>,
    annotations: BTreeMap<String, Vec<u8>>,
    /// Every UIDVALIDITY that ever was.
    highest_uidvalidity: u32,
    /// Images that sessions hold, with what they showed when they were taken.
    held: Vec<(Arc<Image>, BTreeMap<u32, Seen>)>,
}

fn words(bits: u8) -> BTreeSet<&'static str> {
    WORDS.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, word)| *word).collect()
}

fn list(words: &BTreeSet<&'static str>) -> Vec<&'static str> {
    words.iter().copied().collect()
}

fn is_inferior(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'))
}

impl World<'_> {
    fn cell(&self) -> &Cell {
        &self.store.as_ref().unwrap().cells()[0]
    }

    fn model(&mut self, n: usize) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(NAMES[n])
    }

    /// A number for a mailbox that is there, or one that nobody has.
    fn id(&self, n: usize) -> MailboxId {
        self.mailboxes.get(NAMES[n]).map_or(MailboxId(9999), |m| m.id)
    }

    /// What the model makes of a mailbox that was made in the store.
    fn made(&mut self, made: &store::Mailbox) {
        let text = NAMES.iter().find(|n| **n == made.name.as_str()).copied().unwrap_or("z");
        assert_eq!(made.name.as_str(), text);
        let uidvalidity = made.uidvalidity.unwrap();
        assert!(uidvalidity > self.highest_uidvalidity, "UIDVALIDITY {uidvalidity} is not a new one");
        self.highest_uidvalidity = uidvalidity;
        let subscribed = self.waiting.remove(text);
        assert_eq!(made.subscribed, subscribed);
        let (messages, expunged, annotations) = Default::default();
        let (id, uidnext, modseq) = (made.id, 1, 1);
        assert!(self.mailboxes.values().all(|m| m.id != id));
        let new = Mailbox { id, uidvalidity, uidnext, modseq, subscribed, messages, expunged, annotations };
        assert!(self.mailboxes.insert(text, new).is_none());
    }

    fn apply(&mut self, op: &Op) {
        let account = self.ana.id;
        match op {
            Op::Append(m, messages) => self.append(*m, messages),
            Op::Deliver(m, texts) => {
                let Some(id) = self.model(*m).map(|model| model.id) else { return };
                let deliveries = texts.iter().map(|text| delivery(&self.ana, id, TEXTS[*text])).collect();
                let delivered = self.cell().deliver(deliveries).unwrap();
                let model = self.model(*m).unwrap();
                model.modseq += 1;
                let modseq = model.modseq;
                for (text, delivered) in texts.iter().zip(delivered) {
                    let (flags, keywords, internal_date) = (Flags::SEEN, BTreeSet::new(), DATE);
                    let uid = model.add(Message { text: *text, flags, keywords, internal_date, modseq });
                    assert_eq!((delivered.uid, delivered.modseq), (uid, modseq));
                    assert_eq!(delivered.uidvalidity, Some(model.uidvalidity));
                }
            }
            Op::Flag(m, which, since, mode, flags, bits) => self.flag(*m, *which, *since, *mode, *flags, *bits),
            Op::Expunge(m, which) => {
                let uids = self.model(*m).and_then(|model| which.map(|which| model.some(which)));
                let done = self.cell().expunge(account, self.id(*m), uids.clone()).unwrap();
                let Some(model) = self.model(*m) else { return assert_eq!(done, Err(Refused::NoSuchMailbox)) };
                let asked = |uid: &u32| uids.as_ref().is_none_or(|uids| uids.contains(uid));
                let deleted = model.messages.iter().filter(|(uid, m)| asked(uid) && m.flags.contains(Flags::DELETED));
                let gone: Vec<u32> = deleted.map(|(uid, _)| *uid).collect();
                let modseq = model.expunge(&gone);
                let done = done.unwrap();
                assert_eq!((done.uids, done.modseq), (gone, modseq));
            }
            Op::Copy(m, which, to) => {
                let uids = self.model(*m).map_or(vec![1], |model| model.some(*which));
                let done = self.cell().copy(account, self.id(*m), &uids, self.id(*to)).unwrap();
                match self.copied(*m, &uids, *to) {
                    Ok(expected) => assert_eq!(done.unwrap(), expected),
                    Err(refused) => assert_eq!(done, Err(refused)),
                }
            }
            Op::Move(m, which, to) => {
                let uids = self.model(*m).map_or(vec![1], |model| model.some(*which));
                let done = self.cell().move_messages(account, self.id(*m), &uids, self.id(*to)).unwrap();
                match self.copied(*m, &uids, *to) {
                    Ok(expected) => {
                        let gone: Vec<u32> = expected.pairs.iter().map(|(from, _)| *from).collect();
                        let modseq = self.model(*m).unwrap().expunge(&gone);
                        let done = done.unwrap();
                        assert_eq!((done.copied, done.expunged_modseq), (expected, modseq));
                    }
                    Err(refused) => assert_eq!(done, Err(refused)),
                }
            }
            Op::Replace(m, n, to) => self.replace(*m, *n, *to),
            Op::Create(m) => {
                let done = self.cell().create_served(account, &name(NAMES[*m]), None).unwrap();
                if self.mailboxes.contains_key(NAMES[*m]) {
                    return assert_eq!(done, Err(Refused::AlreadyExists));
                }
                let created = done.unwrap();
                self.made_superiors(NAMES[*m], &created.superiors);
                assert_eq!(created.mailbox.name.as_str(), NAMES[*m]);
                self.made(&created.mailbox);
            }
            Op::Rename(from, to) => self.rename(NAMES[*from], NAMES[*to]),
            Op::Delete(m) => {
                let text = NAMES[*m];
                let done = self.cell().delete(account, &name(text)).unwrap();
                let inferiors = self.mailboxes.keys().any(|other| is_inferior(other, text));
                match self.mailboxes.get(text) {
                    None => assert_eq!(done, Err(Refused::NoSuchMailbox)),
                    Some(_) if text == "INBOX" => assert_eq!(done, Err(Refused::Inbox)),
                    Some(_) if inferiors => assert_eq!(done, Err(Refused::HasChildren)),
                    Some(gone) => {
                        assert_eq!(done.unwrap().id, gone.id);
                        if gone.subscribed {
                            self.waiting.insert(text);
                        }
                        self.mailboxes.remove(text);
                    }
                }
            }
            Op::Subscribe(m, yes) => {
                let changed = self.cell().subscribe(account, &name(NAMES[*m]), *yes).unwrap().unwrap();
                let expected = match self.mailboxes.get_mut(NAMES[*m]) {
                    Some(model) => std::mem::replace(&mut model.subscribed, *yes) != *yes,
                    None if *yes => self.waiting.insert(NAMES[*m]),
                    None => self.waiting.remove(NAMES[*m]),
                };
                assert_eq!(changed, expected);
            }
            Op::Annotate(m, entry, value) => {
                let (id, value) = (m.map(|m| self.id(m)), value.map(|byte| vec![byte]));
                let given = ["/Private/Comment", "/shared/vendor/x"][*entry].to_owned();
                let done = self.cell().set_annotations(account, id, vec![(given.clone(), value.clone())]).unwrap();
                let model = match m {
                    Some(m) => self.mailboxes.get_mut(NAMES[*m]).map(|model| &mut model.annotations),
                    None => Some(&mut self.annotations),
                };
                let Some(model) = model else { return assert_eq!(done, Err(Refused::NoSuchMailbox)) };
                let entry = given.to_lowercase();
                let before = match &value {
                    Some(value) => model.insert(entry.clone(), value.clone()),
                    None => model.remove(&entry),
                };
                assert_eq!(done.unwrap(), if before == value { vec![] } else { vec![entry] });
            }
            Op::Raw(m, n) => {
                let Some(model) = self.mailboxes.get_mut(NAMES[*m]) else { return };
                model.uidnext += 3;
                model.modseq += 5;
                let changed = model.messages.iter_mut().nth(*n).map(|(uid, message)| {
                    message.internal_date += 1;
                    *uid
                });
                let (id, uidnext, highest_modseq) = (model.id, model.uidnext, model.modseq);
                let written = self.cell().write(|tx| {
                    let row = tx.mailbox(account, id)?.unwrap();
                    tx.put_mailbox(account, &store::Mailbox { uidnext, highest_modseq, ..row })?;
                    if let Some(uid) = changed {
                        let message = tx.message(account, id, uid)?.unwrap();
                        let internal_date = message.internal_date + 1;
                        tx.put_message(account, id, &store::Message { internal_date, ..message })?;
                    }
                    Ok(())
                });
                written.unwrap();
            }
            Op::Reopen => {
                self.store = None;
                self.store = Some(open(self.dir));
            }
        }
    }

    fn append(&mut self, m: usize, messages: &[(usize, u8, u8)]) {
        let new = messages.iter().map(|(text, flags, bits)| {
            let mut new = new_message(TEXTS[*text]);
            new.flags = Flags::from_bits(*flags);
            new.keywords = keywords(&list(&words(*bits)));
            new.internal_date = Some(DATE + i64::from(*flags));
            new
        });
        let done = self.cell().append(self.ana.id, self.id(m), new.collect()).unwrap();
        let Some(model) = self.model(m) else { return assert_eq!(done, Err(Refused::NoSuchMailbox)) };
        model.modseq += u64::from(!messages.is_empty());
        let modseq = model.modseq;
        let uids: Vec<u32> = messages
            .iter()
            .map(|(text, flags, bits)| {
                let (internal_date, keywords) = (DATE + i64::from(*flags), words(*bits));
                let flags = Flags::from_bits(*flags);
                model.add(Message { text: *text, flags, keywords, internal_date, modseq })
            })
            .collect();
        let done = done.unwrap();
        assert_eq!((done.uidvalidity, done.uids, done.modseq), (model.uidvalidity, uids, modseq));
    }

    fn flag(&mut self, m: usize, which: u32, since: Option<u64>, mode: u8, flags: u8, bits: u8) {
        let mode = [FlagMode::Replace, FlagMode::Add, FlagMode::Remove][usize::from(mode)];
        let (flags, given) = (Flags::from_bits(flags), words(bits));
        let uids = self.model(m).map_or(vec![1], |model| model.some(which));
        let mut asked = change(&uids, mode, flags, &list(&given));
        asked.unchanged_since = self.model(m).and_then(|model| Some(model.modseq.saturating_sub(since?)));
        let unchanged_since = asked.unchanged_since;
        let done = self.cell().store_flags(self.ana.id, self.id(m), asked).unwrap();
        let Some(model) = self.model(m) else { return assert_eq!(done, Err(Refused::NoSuchMailbox)) };
        let (mut changed, mut modified) = (vec![], vec![]);
        let modseq = model.modseq + 1;
        for (uid, message) in model.messages.iter_mut().filter(|(uid, _)| uids.contains(uid)) {
            if unchanged_since.is_some_and(|since| message.modseq > since) {
                modified.push(*uid);
                continue;
            }
            let (now, words) = match mode {
                FlagMode::Replace => (flags, given.clone()),
                FlagMode::Add => (message.flags | flags, &message.keywords | &given),
                FlagMode::Remove => (message.flags.without(flags), &message.keywords - &given),
            };
            if (now, &words) != (message.flags, &message.keywords) {
                (message.flags, message.keywords, message.modseq) = (now, words, modseq);
                changed.push(*uid);
            }
        }
        model.modseq += u64::from(!changed.is_empty());
        let done = done.unwrap();
        assert_eq!((done.changed, done.modified, done.modseq), (changed, modified, model.modseq));
    }

    /// What copying does to the model.
    fn copied(&mut self, from: usize, uids: &[u32], to: usize) -> Result<store::Copied, Refused> {
        let source = self.model(from).ok_or(Refused::NoSuchMailbox)?.messages.clone();
        let target = self.model(to).ok_or(Refused::NoSuchTarget)?;
        let wanted: Vec<_> = source.into_iter().filter(|(uid, _)| uids.contains(uid)).collect();
        target.modseq += u64::from(!wanted.is_empty());
        let modseq = target.modseq;
        let pairs = wanted.into_iter().map(|(uid, message)| (uid, target.add(Message { modseq, ..message }))).collect();
        Ok(store::Copied { uidvalidity: target.uidvalidity, pairs, modseq })
    }

    fn replace(&mut self, m: usize, n: usize, to: usize) {
        let uid = self.model(m).and_then(|model| model.messages.keys().nth(n).copied());
        let new = new_message(TEXTS[1]);
        let done = self.cell().replace(self.ana.id, self.id(m), uid.unwrap_or(7777), self.id(to), new).unwrap();
        let refused = match (self.model(m).is_some(), self.model(to).is_some(), uid) {
            (false, ..) => Some(Refused::NoSuchMailbox),
            (_, false, _) => Some(Refused::NoSuchTarget),
            (_, _, None) => Some(Refused::NoSuchMessage),
            _ => None,
        };
        if let Some(refused) = refused {
            return assert_eq!(done, Err(refused));
        }
        let target = self.model(to).unwrap();
        target.modseq += 1;
        let modseq = target.modseq;
        let (flags, keywords) = (Flags::NONE, BTreeSet::new());
        let new = target.add(Message { text: 1, flags, keywords, internal_date: DATE, modseq });
        let uidvalidity = target.uidvalidity;
        let expunged_modseq = self.model(m).unwrap().expunge(&[uid.unwrap()]);
        assert_eq!(done.unwrap(), store::Replaced { uidvalidity, uid: new, modseq, expunged_modseq });
    }

    fn made_superiors(&mut self, of: &str, superiors: &[store::Mailbox]) {
        superiors.iter().for_each(|made| self.made(made));
        for (end, _) in of.match_indices('/') {
            assert!(self.mailboxes.contains_key(&of[..end]), "{} is there", &of[..end]);
        }
    }

    fn rename(&mut self, from: &'static str, to: &'static str) {
        let done = self.cell().rename(self.ana.id, &name(from), &name(to)).unwrap();
        if !self.mailboxes.contains_key(from) {
            return assert_eq!(done, Err(Refused::NoSuchMailbox));
        }
        let taken = self.mailboxes.contains_key(to);
        if from == "INBOX" {
            if taken {
                return assert_eq!(done, Err(Refused::AlreadyExists));
            }
            let renamed = done.unwrap();
            self.made_superiors(to, &renamed.superiors);
            self.made(&renamed.mailboxes[0].1.clone());
            let uids: Vec<u32> = self.mailboxes["INBOX"].messages.keys().copied().collect();
            let at = |text| NAMES.iter().position(|n| *n == text).unwrap();
            self.copied(at("INBOX"), &uids, at(to)).unwrap();
            self.model(at("INBOX")).unwrap().expunge(&uids);
            return;
        }
        if from != to && is_inferior(to, from) {
            return assert_eq!(done, Err(Refused::IntoItself));
        }
        let moving: Vec<&str> =
            self.mailboxes.keys().filter(|n| **n == from || is_inferior(n, from)).copied().collect();
        let target = |n: &str| format!("{to}{}", &n[from.len()..]);
        let collides = |n: &&str| self.mailboxes.contains_key(&*target(n)) && !moving.contains(&&*target(n));
        if from == to || moving.iter().any(collides) {
            return assert_eq!(done, Err(Refused::AlreadyExists));
        }
        let renamed = done.unwrap();
        let mut moved = Vec::new();
        for old in &moving {
            moved.push((target(old), self.mailboxes.remove(old).unwrap()));
        }
        for (new, mut model) in moved {
            let new = static_name(&new);
            model.subscribed |= self.waiting.remove(new);
            assert!(self.mailboxes.insert(new, model).is_none());
        }
        assert_eq!(renamed.mailboxes[0].0.as_str(), from);
        assert_eq!(renamed.mailboxes.len(), moving.len());
        self.made_superiors(to, &renamed.superiors);
    }

    /// The store holds what the model holds, however it is asked.
    fn assert_followed(&mut self) {
        let account = self.ana.id;
        let cell = self.cell();
        let rows = cell.read(|view| view.mailboxes(account)).unwrap();
        let names: BTreeSet<&str> = rows.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, self.mailboxes.keys().copied().collect());
        let waiting: BTreeSet<MailboxName> = self.waiting.iter().map(|n| name(n)).collect();
        assert_eq!(BTreeSet::from_iter(cell.read(|v| v.subscriptions(account)).unwrap()), waiting);
        let annotations = |id| BTreeMap::from_iter(cell.read(|view| view.annotations(account, id)).unwrap());
        assert_eq!(annotations(None), self.annotations);
        let mut usage = Usage::default();
        let mut taken = Vec::new();
        for (text, model) in &self.mailboxes {
            let row = rows.iter().find(|m| m.name.as_str() == *text).unwrap();
            assert_eq!((row.id, row.uidvalidity, row.uidnext), (model.id, Some(model.uidvalidity), model.uidnext));
            assert_eq!((row.highest_modseq, row.subscribed), (model.modseq, model.subscribed), "{text}");
            assert_eq!(annotations(Some(model.id)), model.annotations);
            let found = held(cell, &self.ana, model.id);
            assert!(found.keys().eq(model.messages.keys()), "{text}: {:?}", found.keys());
            for (seen, expected) in found.values().zip(model.messages.values()) {
                let given = keywords(&list(&expected.keywords));
                let mut sorted = given.clone();
                sorted.sort();
                let mail = (seen.size_bytes, seen.flags, &*seen.keywords, seen.internal_date, seen.modseq);
                let size_bytes = raw(TEXTS[expected.text]).len() as u64;
                let sorted = text_of(&sorted);
                assert_eq!(mail, (size_bytes, expected.flags, &*sorted, expected.internal_date, expected.modseq));
            }
            let image = cell.image(account, model.id).unwrap().unwrap();
            assert_eq!(image.mailbox(), row);
            assert_eq!(shown(&image), found, "{text}");
            assert_eq!(image.counts(), counted(&found));
            assert_eq!(cell.counts(account, model.id).unwrap(), Some((row.clone(), counted(&found))));
            let used: BTreeSet<&str> = model.messages.values().flat_map(|m| &m.keywords).copied().collect();
            let words: BTreeSet<String> = image.keywords().iter().map(|k| k.to_string()).collect();
            assert!(words.iter().map(String::as_str).eq(used));
            usage.messages += found.len() as u64;
            usage.size_bytes += found.values().map(|m| m.size_bytes).sum::<u64>();
            for since in [0, model.modseq.saturating_sub(2), model.modseq] {
                let mut changed = vec![];
                cell.read(|view| {
                    view.changed_since(account, model.id, since, |message| {
                        changed.push(message.uid);
                        Ok(())
                    })
                })
                .unwrap();
                let expected = model.messages.iter().filter(|(_, m)| m.modseq > since).map(|(uid, _)| *uid);
                assert!(changed.into_iter().eq(expected), "{text} since {since}");
                let gone = cell.read(|view| view.expunged_since(account, model.id, since)).unwrap();
                let expected = model.expunged.iter().filter(|(_, modseq)| **modseq > since).map(|(uid, _)| *uid);
                assert!(gone.into_iter().eq(expected), "{text} since {since}");
            }
            taken.push((image, found));
        }
        assert_eq!(cell.served_usage(account).unwrap(), usage);
        // What a session holds does not move under it.
        assert!(self.held.iter().all(|(image, found)| shown(image) == *found));
        self.held = taken;
    }
}

fn static_name(text: &str) -> &'static str {
    NAMES.iter().chain(&["z"]).find(|n| **n == text).copied().unwrap_or_else(|| text.to_owned().leak())
}

fn live_through(ops: &[Op]) {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let ana = store.cells()[0].open_served(&address(ANA)).unwrap();
    let inbox = store.cells()[0].read(|view| view.mailbox(ana.id, id_of(&store.cells()[0], &ana, "INBOX"))).unwrap();
    let (mailboxes, waiting, annotations, held) = Default::default();
    let mut world = World {
        dir: home.path(),
        store: Some(store),
        ana,
        mailboxes,
        waiting,
        annotations,
        highest_uidvalidity: 0,
        held,
    };
    world.waiting.insert("INBOX");
    world.made(&inbox.unwrap());
    for op in ops {
        world.apply(op);
        world.assert_followed();
    }
    world.apply(&Op::Reopen);
    world.assert_followed();
    assert_sound(world.store.as_ref().unwrap());
}

/// The environment may ask for a longer run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(CASES, |n| n.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn served_mailboxes_hold_what_their_model_holds(ops in proptest::collection::vec(any_op(), 1..60)) {
        live_through(&ops);
    }
}
