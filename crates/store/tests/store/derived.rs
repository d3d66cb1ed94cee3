//! What is kept beside the truth: answers are exact whatever is indexed, damaged or gone, and nobody is told of an error.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use message::text::{fold, searchable};
use message::{Digest, to_crlf};
use store::{
    Account, BlobId, CacheKind, Cell, Delivery, DerivedHealth, LIVE, MailboxId, Store, StoreError, TextScope, Tidied,
};
use tempfile::TempDir;
use testkit::crashdisk::{CrashDisk, Failure, Mode};

use crate::support::{
    address, assert_sound, delivery, make_account, open, open_image, options, options_on, prepared, scratch,
};

const ANA: &str = "ana@example.org";
const KIND: CacheKind = CacheKind { number: 1, version: 7 };
const FILES: [&str; 2] = ["cached.sqlite", "search.sqlite"];

/// A store of one cell with an account in it.
struct Mail {
    home: TempDir,
    store: Option<Store>,
    account: Account,
    inbox: MailboxId,
}

impl Mail {
    fn new(messages: &[&[u8]]) -> Self {
        let home = scratch();
        let store = Store::init(home.path(), 1, options()).unwrap();
        let (account, inbox) = make_account(&store, ANA, 1000);
        let mail = Mail { home, store: Some(store), account, inbox };
        mail.deliver(messages);
        mail
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn cell(&self) -> &Cell {
        &self.store().cells()[0]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("cells/00").join(name)
    }

    fn deliver(&self, messages: &[&[u8]]) {
        let of = |raw: &&[u8]| Delivery { message: prepared(raw), ..delivery(&self.account, self.inbox, "") };
        self.cell().deliver(messages.iter().map(of).collect()).unwrap();
    }

    /// Does something while the store is closed.
    fn while_closed(&mut self, act: impl FnOnce(&Path)) {
        self.store = None;
        act(self.home.path());
        self.store = Some(open(self.home.path()));
    }

    fn health(&self) -> DerivedHealth {
        self.cell().derived_health()
    }

    fn rows(&self, sql: &str) -> Vec<i64> {
        let db = rusqlite::Connection::open(self.file("search.sqlite")).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

/// Every message of the live lineage: its number, its bytes.
fn messages(cell: &Cell) -> Vec<(BlobId, Vec<u8>)> {
    try_messages(cell).unwrap()
}

fn try_messages(cell: &Cell) -> Result<Vec<(BlobId, Vec<u8>)>, StoreError> {
    let mut all = Vec::new();
    cell.read(|view| {
        for account in view.accounts(LIVE)? {
            for mailbox in view.mailboxes(account.id)? {
                view.for_each_message(account.id, mailbox.id, |_, blob| {
                    all.push((blob.id, view.bytes(&blob)?));
                    Ok(())
                })?;
            }
        }
        Ok(())
    })?;
    Ok(all)
}

/// A value that is a pure function of a message.
fn value(raw: &[u8]) -> Vec<u8> {
    Digest::from(blake3::hash(raw)).as_bytes().to_vec()
}

fn put_all(cell: &Cell) {
    cell.put_cached(KIND, messages(cell).iter().map(|(blob, raw)| (*blob, value(raw))).collect());
}

fn cached(cell: &Cell, kind: CacheKind, blobs: &[BlobId]) -> Vec<Option<Vec<u8>>> {
    let mut found = vec![None; blobs.len()];
    cell.cached(kind, blobs, |index, value| {
        assert_eq!(found[index], None, "each index once");
        found[index] = Some(value.map(<[u8]>::to_vec));
    });
    found.into_iter().map(Option::unwrap).collect()
}

/// Whether every value that is kept is that of its message; and how many are.
#[track_caller]
fn assert_cached_is_true(cell: &Cell) -> usize {
    let all = messages(cell);
    let blobs: Vec<BlobId> = all.iter().map(|(blob, _)| *blob).collect();
    let found = cached(cell, KIND, &blobs);
    let kept = found.iter().zip(&all).filter_map(|(found, (_, raw))| Some((found.clone()?, value(raw))));
    kept.inspect(|(found, value)| assert_eq!(found, value)).count()
}

fn search(cell: &Cell, blobs: &[BlobId], needles: &[(TextScope, &str)]) -> Vec<bool> {
    let (mut last, mut all) = (0, 0);
    let found = cell.search_text(blobs, needles, &mut |done, total| {
        assert!(done <= total && done >= last, "{done} of {total} after {last}");
        (last, all) = (done, total);
        true
    });
    assert!(all <= blobs.len());
    found.unwrap().unwrap()
}

/// The same without an index.
fn looked_through(all: &[(BlobId, Vec<u8>)], needles: &[(TextScope, &str)]) -> Vec<bool> {
    let holds = |raw: &[u8]| {
        let text = searchable(raw);
        let (header, body) = (fold(&text.header), fold(&text.body));
        needles.iter().all(|(scope, needle)| {
            let needle = fold(needle);
            body.contains(&needle) || (*scope == TextScope::Text && header.contains(&needle))
        })
    };
    all.iter().map(|(_, raw)| holds(raw)).collect()
}

#[track_caller]
fn assert_exact(cell: &Cell, needles: &[(TextScope, &str)]) {
    let all = messages(cell);
    let blobs: Vec<BlobId> = all.iter().map(|(blob, _)| *blob).collect();
    assert_eq!(search(cell, &blobs, needles), looked_through(&all, needles), "{needles:?}");
}

fn mail(subject: &str, body: &str) -> Vec<u8> {
    format!("Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n").into_bytes()
}

/// Which of some messages hold a needle.
fn hits(mail: &Mail, scope: TextScope, needle: &str) -> Vec<usize> {
    let blobs: Vec<BlobId> = messages(mail.cell()).into_iter().map(|(blob, _)| blob).collect();
    let found = search(mail.cell(), &blobs, &[(scope, needle)]);
    found.iter().enumerate().filter_map(|(n, hit)| hit.then_some(n)).collect()
}

/// Real mail: the project's sample, and the odd ones of the shared corpus where that is at hand.
fn samples() -> Vec<Vec<u8>> {
    fn collect(dir: &Path, found: &mut Vec<Vec<u8>>) {
        let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| e == "eml") || path.parent().is_some_and(|p| p.ends_with("cur"))
            {
                found.push(to_crlf(&std::fs::read(&path).unwrap()).into_owned());
            }
        }
    }
    let mut found = Vec::new();
    collect(&testkit::sample::committed(), &mut found);
    if let Some(corpus) = testkit::incident::corpus_dir() {
        collect(&corpus.join("odd"), &mut found);
    }
    found.sort();
    found.dedup();
    // More than a search looks through without asking the index.
    for n in 0..200_usize.saturating_sub(found.len()) {
        let copy = [format!("X-Copy: {n}\r\n").as_bytes(), &found[n]].concat();
        found.push(copy);
    }
    found
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// A piece of a message's text as it stands there.
    fn piece(&mut self, raw: &[u8]) -> String {
        let text = searchable(raw);
        let text = if self.below(3) == 0 { text.header } else { text.body };
        let length = [1, 2, 3, 4, 5, 8, 13, 40][self.below(8)];
        let start = self.below(text.chars().count());
        text.chars().skip(start).take(length).collect()
    }
}

#[test]
fn values_are_given_back_to_those_who_know_their_version() {
    let texts: Vec<Vec<u8>> = (0..40).map(|n| mail(&n.to_string(), "")).collect();
    let mail = Mail::new(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let cell = mail.cell();
    let blobs: Vec<BlobId> = messages(cell).into_iter().map(|(blob, _)| blob).collect();
    assert_eq!(cached(cell, KIND, &blobs), vec![None; 40], "nothing was kept yet");
    assert!(!mail.file("cached.sqlite").exists(), "reading makes nothing");

    let kept: Vec<BlobId> = blobs.iter().copied().filter(|b| b.0 % 3 != 0).collect();
    cell.put_cached(KIND, kept.iter().map(|b| (*b, vec![b.0 as u8; 9])).collect());
    let expected = |blob: &BlobId| (blob.0 % 3 != 0).then(|| vec![blob.0 as u8; 9]);
    assert_eq!(cached(cell, KIND, &blobs), blobs.iter().map(expected).collect::<Vec<_>>());
    let far_apart: Vec<BlobId> = blobs.iter().copied().step_by(9).collect();
    assert_eq!(cached(cell, KIND, &far_apart), far_apart.iter().map(expected).collect::<Vec<_>>());
    let mut shuffled = [&blobs[30..], &blobs[..12], &blobs[3..9], &[BlobId(-1), BlobId(4000)]].concat();
    shuffled.reverse();
    let of_shuffled: Vec<_> = shuffled.iter().map(|b| expected(b).filter(|_| blobs.contains(b))).collect();
    assert_eq!(cached(cell, KIND, &shuffled), of_shuffled);

    let other = CacheKind { number: 2, ..KIND };
    let newer = CacheKind { version: 8, ..KIND };
    assert_eq!(cached(cell, other, &kept[..1]), [None], "of another kind");
    assert_eq!(cached(cell, newer, &kept[..2]), [None, None], "of another version");
    cell.put_cached(newer, vec![(kept[0], b"new".to_vec()), (kept[1], vec![0; 1 << 20])]);
    assert_eq!(cached(cell, newer, &kept[..2]), [Some(b"new".to_vec()), None], "and a very long one is not kept");
    assert_eq!(cached(cell, KIND, &kept[..1]), [None], "one version at a time");
    assert_eq!(mail.health(), DerivedHealth::default());
    assert_sound(mail.store());
}

#[test]
fn a_search_is_exact_before_while_and_after_it_is_indexed() {
    let samples = samples();
    let mail = Mail::new(&samples.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let cell = mail.cell();
    let all = messages(cell);
    let blobs: Vec<BlobId> = all.iter().map(|(blob, _)| *blob).collect();
    let mut dice = Dice(0x5eed);
    let mut ask = |rounds: usize| {
        for _ in 0..rounds {
            let pieces = [0, 1].map(|_| dice.piece(&samples[dice.0 as usize % samples.len()]));
            let scopes = [0, 1].map(|_| [TextScope::Text, TextScope::Body][dice.below(2)]);
            let needles = [(scopes[0], pieces[0].as_str()), (scopes[1], pieces[1].as_str())];
            let needles = &needles[..1 + dice.below(2)];
            assert_eq!(search(cell, &blobs, needles), looked_through(&all, needles), "{needles:?}");
        }
    };
    assert_eq!(cell.index_pending(60).unwrap(), 60);
    ask(6);
    assert_eq!(cell.index_pending(10_000).unwrap(), 0, "the search has indexed the others on its way");
    ask(60);
    let indexed = mail.rows("SELECT count(*) FROM indexed");
    assert_eq!(indexed, [blobs.len() as i64]);
    assert_eq!(mail.health(), DerivedHealth::default());
    assert_sound(mail.store());
}

#[test]
fn case_accents_and_encodings_do_not_matter() {
    let quoted = b"Subject: =?iso-8859-1?Q?Caf=E9_de_M=E9xico?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
                   Content-Transfer-Encoding: quoted-printable\r\n\r\nEl A=F1o Nuevo en Z=FCrich, 100% \"cierto\"\r\n";
    let html =
        b"Subject: html\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Ni&ntilde;o <b>peque</b>\xc3\xb1o</p>\r\n";
    let chinese = mail("\u{6f22}\u{5b57}", "\u{4f60}\u{597d}\u{4e16}\u{754c}");
    let mail = Mail::new(&[quoted, html, &chinese]);
    for round in ["not indexed", "indexed"] {
        for (scope, needle, expected) in [
            (TextScope::Text, "mexico", vec![0]),
            (TextScope::Text, "MÉXICO", vec![0]),
            (TextScope::Body, "mexico", vec![]),
            (TextScope::Body, "año nuevo", vec![0]),
            (TextScope::Body, "ZURICH", vec![0]),
            (TextScope::Body, "\"cierto\"", vec![0]),
            (TextScope::Body, "100%", vec![0]),
            (TextScope::Body, "nino pequeno", vec![1]),
            (TextScope::Body, "<p>", vec![]),
            (TextScope::Body, "世", vec![2]),
            (TextScope::Body, "你好", vec![2]),
            (TextScope::Body, "你好世界", vec![2]),
            (TextScope::Text, "漢字", vec![2]),
            (TextScope::Text, "", vec![0, 1, 2]),
            (TextScope::Body, "o AND n", vec![]),
            (TextScope::Body, "nuevo*", vec![]),
            (TextScope::Body, "\0", vec![]),
        ] {
            assert_eq!(hits(&mail, scope, needle), expected, "{needle:?}, {round}");
        }
        mail.cell().index_pending(10).unwrap();
    }
    assert_sound(mail.store());
}

#[test]
fn nothing_is_found_across_header_and_body() {
    let mail = Mail::new(&[&mail("abc", "def")]);
    for _ in 0..2 {
        assert_eq!(hits(&mail, TextScope::Text, "def"), [0]);
        let charset_then_body = ["utf-8 def", "utf-8\ndef", "utf-8def", "8 d", "8\nd"];
        for needle in charset_then_body {
            assert_eq!(hits(&mail, TextScope::Text, needle), [0; 0], "{needle:?}");
        }
        mail.cell().index_pending(10).unwrap();
    }
    assert_sound(mail.store());
}

#[test]
fn a_text_of_which_not_all_is_kept_is_looked_through_from_its_bytes() {
    let long = mail("long", &format!("beginning {} finis", "filler of no use ".repeat(90_000)));
    let short = mail("short", "beginning");
    let mut all: Vec<Vec<u8>> = (0..200).map(|n| mail("other", &n.to_string())).collect();
    all[70] = long;
    all[150] = short;
    let mail = Mail::new(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for _ in 0..2 {
        assert_eq!(hits(&mail, TextScope::Body, "beginning"), [70, 150]);
        assert_eq!(hits(&mail, TextScope::Body, "finis"), [70]);
        assert_eq!(hits(&mail, TextScope::Body, "finish"), [0; 0]);
        mail.cell().index_pending(1000).unwrap();
    }
    assert_eq!(mail.rows("SELECT blob_id FROM indexed WHERE NOT whole").len(), 1);
    assert_sound(mail.store());
}

#[test]
fn the_newest_is_indexed_first_and_what_nobody_has_is_taken_out() {
    let mail = Mail::new(&[&mail("1", "one"), &mail("2", "two"), &mail("3", "three")]);
    let cell = mail.cell();
    assert_eq!(cell.index_pending(1).unwrap(), 1);
    assert_eq!(mail.rows("SELECT blob_id FROM indexed"), [3]);
    mail.deliver(&[&self::mail("4", "four")]);
    assert_eq!(cell.index_pending(2).unwrap(), 2);
    assert_eq!(mail.rows("SELECT blob_id FROM indexed"), [2, 3, 4]);
    assert_eq!((cell.index_pending(9).unwrap(), cell.index_pending(9).unwrap()), (1, 0));
    put_all(cell);
    assert_eq!(cell.tidy_derived().unwrap(), Tidied::default());

    cell.write(|tx| tx.remove_message(mail.account.id, mail.inbox, 2).map(|_| ())).unwrap();
    assert_eq!(cell.tidy_derived().unwrap(), Tidied { cached: 1, indexed: 1 });
    assert_eq!(mail.rows("SELECT blob_id FROM indexed"), [1, 3, 4]);
    assert_eq!(mail.rows("SELECT rowid FROM trigram WHERE trigram MATCH '\"two\"'"), [0; 0]);
    assert_eq!(cell.index_pending(9).unwrap(), 0, "it is not looked for again");

    mail.deliver(&[&self::mail("2", "two")]);
    assert_eq!(cell.tidy_derived().unwrap(), Tidied::default());
    assert_eq!(cell.index_pending(9).unwrap(), 1, "until it is there again");
    assert_eq!(hits(&mail, TextScope::Body, "two"), [3]);
    assert_sound(mail.store());
}

#[test]
fn a_search_that_is_stopped_has_no_answer_and_keeps_what_it_read() {
    let mail = Mail::new(&[&mail("1", "one"), &mail("2", "two"), &mail("3", "three")]);
    let blobs: Vec<BlobId> = messages(mail.cell()).into_iter().map(|(blob, _)| blob).collect();
    let needle = [(TextScope::Text, "two")];
    let stopped = mail.cell().search_text(&blobs, &needle, &mut |done, _| done < 2).unwrap();
    assert_eq!(stopped, None);
    assert_eq!(mail.rows("SELECT blob_id FROM indexed"), [1, 2]);
    assert_eq!(hits(&mail, TextScope::Text, "two"), [1]);
    assert_sound(mail.store());
}

#[test]
fn files_that_are_lost_or_spoilt_grow_anew() {
    let samples = samples();
    let samples: Vec<&[u8]> = samples.iter().take(200).map(Vec::as_slice).collect();
    let mut mail = Mail::new(&samples);
    let whole = |mail: &Mail| {
        mail.cell().index_pending(1000).unwrap();
        put_all(mail.cell());
        assert_eq!(assert_cached_is_true(mail.cell()), samples.len());
        assert_exact(mail.cell(), &[(TextScope::Text, "received")]);
    };
    whole(&mail);
    type Spoil = fn(&Path);
    let spoils: [(&str, bool, Spoil); 5] = [
        ("removed", false, |file| std::fs::remove_file(file).unwrap()),
        ("garbage", true, |file| std::fs::write(file, [0xA5; 70_000]).unwrap()),
        ("empty", true, |file| std::fs::write(file, []).unwrap()),
        ("cut", true, |file| {
            let length = std::fs::metadata(file).unwrap().len();
            std::fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
        }),
        ("holed", true, |file| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes.chunks_mut(4096).skip(4).step_by(3).for_each(|chunk| chunk.fill(0xA5));
            std::fs::write(file, bytes).unwrap();
        }),
    ];
    for (what, spoilt, spoil) in spoils {
        // Opened again after what the last round removed under it.
        mail.while_closed(|_| {});
        assert!(FILES.iter().all(|name| mail.file(name).exists() || !mail.file(&format!("{name}-wal")).exists()));
        whole(&mail);
        let files = FILES.map(|name| mail.file(name));
        mail.while_closed(|_| files.iter().for_each(|file| spoil(file)));
        assert_cached_is_true(mail.cell());
        assert_exact(mail.cell(), &[(TextScope::Text, "received")]);
        assert_exact(mail.cell(), &[(TextScope::Body, "de")]);
        whole(&mail);
        assert_eq!(mail.health().thrown_away > 0, spoilt, "{what}: {:?}", mail.store().findings());
        assert_eq!(mail.health().failed, 0, "{what}");
        // While it is open, too: until somebody stumbles over it, the file that is gone serves on.
        files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        assert_exact(mail.cell(), &[(TextScope::Text, "subject")]);
        put_all(mail.cell());
        assert_cached_is_true(mail.cell());
    }
    mail.while_closed(|home| {
        for name in FILES {
            let file = home.join("cells/00").join(name);
            _ = std::fs::remove_file(&file);
            std::fs::create_dir_all(file.join("in the way")).unwrap();
        }
    });
    assert_eq!(mail.store().findings().len(), 2, "{:?}", mail.store().findings());
    put_all(mail.cell());
    assert_eq!(assert_cached_is_true(mail.cell()), 0, "nothing can be kept");
    assert_exact(mail.cell(), &[(TextScope::Text, "received")]);
    assert_eq!(mail.cell().index_pending(9).unwrap(), 0);
    assert_sound(mail.store());
}

#[test]
fn an_index_that_was_made_anew_with_other_numbers_meets_no_old_data() {
    for from_snapshot in [false, true] {
        let texts: Vec<Vec<u8>> = (0..200).map(|n| mail(&format!("number{n}."), "")).collect();
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let mut mail = Mail::new(&texts[..10]);
        if from_snapshot {
            mail.cell().snapshot().unwrap();
        }
        mail.deliver(&texts[10..]);
        let numbers = |mail: &Mail| messages(mail.cell()).iter().map(|(blob, _)| blob.0).collect::<Vec<_>>();
        let before = numbers(&mail);
        mail.cell().index_pending(1000).unwrap();
        put_all(mail.cell());
        assert_eq!(assert_cached_is_true(mail.cell()), 200);

        mail.while_closed(|home| {
            spoil_record(home, "number10.");
            let rebuilt = Store::rebuild(home, None, options()).unwrap();
            assert_eq!(rebuilt[0].snapshot.is_some(), from_snapshot);
        });
        assert_eq!(numbers(&mail), before[..199], "those behind it have the number of the one before them");
        assert_eq!(assert_cached_is_true(mail.cell()), 0);
        assert_exact(mail.cell(), &[(TextScope::Text, "number7.")]);
        assert_eq!(hits(&mail, TextScope::Text, "number77."), [76]);
        assert_sound(mail.store());
    }
}

/// Turns over a bit of the first record that holds a text.
fn spoil_record(home: &Path, text: &str) {
    let segment = home.join("cells/00/segments/00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(text.len()).position(|w| w == text.as_bytes()).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

#[test]
fn what_is_kept_of_numbers_that_a_power_loss_took_back_is_taken_out() {
    let mut mail = Mail::new(&[&mail("first", "first")]);
    let index = mail.cell().snapshot().unwrap();
    mail.deliver(&[&self::mail("second", "second"), &self::mail("third", "third")]);
    mail.cell().index_pending(9).unwrap();
    put_all(mail.cell());
    let all = messages(mail.cell());

    // The index loses its last commits, and the record of the second message is torn: the third gets its number.
    mail.while_closed(|home| {
        let cell = home.join("cells/00");
        std::fs::copy(index, cell.join("index.sqlite")).unwrap();
        for suffix in ["-wal", "-shm"] {
            _ = std::fs::remove_file(cell.join(format!("index.sqlite{suffix}")));
        }
        spoil_record(home, "second");

        // The power goes again as soon as the index has caught up: what was taken out stays out.
        let again = scratch();
        testkit::files::copy_tree(home, &again.path().join("live")).unwrap();
        let disk = CrashDisk::new(&again.path().join("live")).unwrap();
        let store = Store::open(disk.root(), options_on(&disk)).unwrap();
        store.cells()[0].sync().unwrap();
        let store = open_image(&disk.crash(Mode::DropAll).unwrap());
        assert_eq!(messages(&store.cells()[0]).len(), 2);
        assert_eq!(assert_cached_is_true(&store.cells()[0]), 1);
        assert_exact(&store.cells()[0], &[(TextScope::Text, "third")]);
    });
    let now = messages(mail.cell());
    assert_eq!((now[1].0, &now[1].1), (all[1].0, &all[2].1), "{:?}", mail.store().findings());
    assert_eq!(assert_cached_is_true(mail.cell()), 1, "what is kept of the first is true still");
    assert_eq!(hits(&mail, TextScope::Text, "first"), [0]);
    assert_eq!(hits(&mail, TextScope::Text, "third"), [1]);
    assert_eq!(hits(&mail, TextScope::Text, "second"), [0; 0]);
    assert_eq!(mail.health(), DerivedHealth::default());
    assert_sound(mail.store());
}

#[test]
fn a_full_or_failing_disk_costs_no_answer() {
    for failure in [Failure::NoSpace, Failure::Io] {
        for after in (1..40).step_by(3) {
            let home = scratch();
            let disk = CrashDisk::new(&home.path().join("live")).unwrap();
            let store = Store::init(disk.root(), 1, options_on(&disk)).unwrap();
            let (ana, inbox) = make_account(&store, ANA, 1000);
            let cell = store.cell_of(&address(ANA));
            cell.deliver((0..150).map(|n| delivery(&ana, inbox, &format!("text {n}"))).collect()).unwrap();
            disk.fail_from(after, failure);
            put_all(cell);
            cell.index_pending(100).unwrap();
            assert_cached_is_true(cell);
            assert_exact(cell, &[(TextScope::Text, "text 7")]);
            disk.heal();
            assert_exact(cell, &[(TextScope::Text, "text 7")]);
            put_all(cell);
            assert_eq!(assert_cached_is_true(cell), 150, "{failure:?} after {after}: {:?}", cell.derived_health());
            assert_eq!(cell.derived_health().thrown_away, 0);
            assert_sound(&store);
        }
    }
}

#[test]
fn a_power_loss_at_any_operation_leaves_nothing_that_is_wrong() {
    let run = |disk: &CrashDisk| -> Result<(), StoreError> {
        let store = Store::open(disk.root(), options_on(disk))?;
        let cell = &store.cells()[0];
        let ana = cell.read(|v| v.account(LIVE, &address(ANA)))?.unwrap();
        let inbox = cell.read(|v| v.mailboxes(ana.id))?[0].id;
        for round in 0..4 {
            let texts = (0..40).map(|n| delivery(&ana, inbox, &format!("round {round} text {n}*300")));
            cell.deliver(texts.collect())?;
            cell.put_cached(KIND, try_messages(cell)?.iter().map(|(blob, raw)| (*blob, value(raw))).collect());
            cell.index_pending(40)?;
        }
        cell.sync()
    };
    let begin = || {
        let home = scratch();
        let root = home.path().join("live");
        make_account(&Store::init(&root, 1, options()).unwrap(), ANA, 1000);
        let disk = CrashDisk::new(&root).unwrap();
        (home, disk)
    };
    let (_home, whole) = begin();
    run(&whole).unwrap();
    for cut in (0..whole.op_count()).step_by(29) {
        let (_home, disk) = begin();
        disk.stop_after(cut);
        // Cut while it closes, it has done all of it.
        _ = run(&disk);
        for mode in [Mode::DropAll, Mode::Some(cut)] {
            let store = open_image(&disk.crash(mode).unwrap());
            let cell = &store.cells()[0];
            assert_cached_is_true(cell);
            assert_exact(cell, &[(TextScope::Text, "text 7")]);
            assert_exact(cell, &[(TextScope::Text, "round 2")]);
            assert_sound(&store);
        }
    }
}

#[test]
fn many_at_once_find_what_is_there() {
    let texts: Vec<Vec<u8>> = (0..300).map(|n| mail(&format!("common subject {n}."), "")).collect();
    let mail = Mail::new(&texts[..150].iter().map(Vec::as_slice).collect::<Vec<_>>());
    let cell = mail.cell();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let indexer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                cell.index_pending(7).unwrap();
            }
        });
        let tidier = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(cell.tidy_derived().unwrap(), Tidied::default());
            }
        });
        let readers: Vec<_> = (0..3)
            .map(|n| {
                scope.spawn(move || {
                    for round in 0..12 {
                        let all = messages(cell);
                        let blobs: Vec<BlobId> = all.iter().map(|(blob, _)| *blob).collect();
                        let needle = format!("subject {}.", round * 11 + n);
                        let needles = [(TextScope::Text, needle.as_str())];
                        assert_eq!(search(cell, &blobs, &needles), looked_through(&all, &needles), "{needle}");
                        assert_cached_is_true(cell);
                        put_all(cell);
                    }
                })
            })
            .collect();
        for text in &texts[150..] {
            mail.deliver(&[text]);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        done.store(true, Ordering::Relaxed);
        indexer.join().unwrap();
        tidier.join().unwrap();
    });
    cell.index_pending(1000).unwrap();
    assert_eq!(mail.rows("SELECT count(*) FROM indexed"), [300]);
    assert_exact(cell, &[(TextScope::Text, "common"), (TextScope::Text, "29.")]);
    assert_eq!(mail.health(), DerivedHealth::default());
    assert_sound(mail.store());
}
