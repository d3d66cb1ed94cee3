//! Sources that change while they are read, full disks, damaged records, and two processes at once.
#![allow(clippy::unwrap_used)]

mod support_faults;

use integrate::{IntegrationError, Platform};
use source::{ReadError, Source};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{LIVE, OpenOptions};
use support_faults::reading::Reading;
use support_faults::state::{State, assert_same};
use support_faults::tree::{Mail, Tree, message_files, raw, set_date};
use support_faults::{apply, assert_proven, assert_sound, import, init, integrate, open, stage, stage_from};
use tempfile::TempDir;
use testkit::crashdisk::{CrashDisk, Failure, Mode};

const ANA: &str = "ana@example.org";
const LUIS: &str = "luis@example.org";

/// A source during which something happens to its tree, before the n-th read.
fn restless<F: Fn() + Send + Sync>(path: &Path, at: usize, happens: F) -> impl Source + use<F> {
    let reads = AtomicUsize::new(0);
    Reading::new(path, move |source, locator, buffer| {
        if reads.fetch_add(1, Ordering::SeqCst) == at {
            happens();
        }
        source.read(locator, buffer)
    })
}

/// A source whose server goes away after a number of reads.
fn leaving(path: &Path, after: usize) -> impl Source + use<> {
    let left = AtomicUsize::new(after);
    Reading::new(path, move |source, locator, buffer| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return source.read(locator, buffer);
        }
        let (server, text) = ("imap://x".to_owned(), "back at eight".to_owned());
        Err(ReadError::Away(source::remote::RemoteError::Unavailable { server, text }))
    })
}

/// Two histories of two accounts, with messages in one and in both.
struct Incident(TempDir);

impl Incident {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let before = Tree::new(&home.path().join("before"), &[ANA, LUIS]);
        let after = Tree::new(&home.path().join("after"), &[ANA]);
        before.mailbox(ANA, "", Some(100), &mail(1..=12, "old"));
        before.mailbox(ANA, ".Sent", Some(101), &mail(1..=4, "sent"));
        before.mailbox(LUIS, "", Some(102), &mail(1..=5, "luis"));
        let mut both = mail(1..=2, "old");
        both.extend(mail(3..=6, "new"));
        after.mailbox(ANA, "", Some(200), &both);
        Incident(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn before(&self) -> PathBuf {
        self.path().join("before")
    }

    /// What an undisturbed integration gives.
    fn expected(&self) -> State {
        let home = TempDir::new().unwrap();
        support_faults::uninterrupted(&home.path().join("data"), self.path(), 2)
    }

    /// A platform with *after* in it.
    fn platform(&self, home: &TempDir) -> Platform {
        let platform = init(&home.path().join("data"), 2);
        import(&platform, &self.path().join("after")).unwrap();
        platform
    }
}

fn mail(uids: std::ops::RangeInclusive<u32>, what: &str) -> Vec<Mail> {
    let body = |uid: u32| format!("{what} {uid}\n").repeat(40);
    uids.map(|uid| Mail::new(uid, raw(&format!("{what}{uid}"), &body(uid)))).collect()
}

/// How many records hold bytes of a message, and how many different ones, in the segments of a platform's only cell.
fn stored(dir: &Path) -> (usize, usize) {
    let (mut records, mut digests) = (0, BTreeSet::new());
    for segment in std::fs::read_dir(dir.join("cells/00/segments")).unwrap() {
        let bytes = std::fs::read(segment.unwrap().path()).unwrap();
        for position in (64..bytes.len()).step_by(8) {
            let Some(head) = bytes.get(position..position + 80).filter(|h| h.starts_with(b"RTG1\x01")) else {
                continue;
            };
            if head[5] != 0 {
                records += 1;
                digests.insert(head[40..72].to_vec());
            }
        }
    }
    (records, digests.len())
}

#[test]
fn a_file_that_disappears_while_it_is_staged_is_a_row_and_stops_nothing() {
    let incident = Incident::new();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    let all = message_files(&incident.before());
    let lost = all.clone();
    let source = restless(&incident.before(), 0, move || lost.iter().for_each(|f| std::fs::remove_file(f).unwrap()));
    let (id, staged) = stage_from(&platform, &incident.before(), &source).unwrap();
    let gone = staged.unreadable.get("it disappeared after it was listed").copied().unwrap_or(0);
    assert!(gone > 0, "{staged:?}");
    assert_eq!(staged.staged + gone, all.len() as u64);
    apply(&platform, id).unwrap();
    // Their UIDs are listed without files now: that is news, which verify asks for.
    let verified = support_faults::verify(&platform, id).unwrap();
    assert_eq!(verified.totals.unreadable, gone);
    assert!(verified.problems.iter().all(|p| p.contains("stage again")), "{:#?}", verified.problems);
    stage(&platform, &incident.before()).unwrap();
    let verified = assert_proven(&platform, id, "files gone");
    assert_eq!((verified.totals.unreadable, verified.totals.listed_no_file), (0, all.len() as u64));
    assert_sound(&platform, "files gone");
}

#[test]
fn a_file_that_shrinks_while_it_is_staged_is_read_when_it_is_staged_again() {
    let incident = Incident::new();
    let expected = incident.expected();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    let victims = message_files(&incident.before());
    let whole: Vec<Vec<u8>> = victims.iter().map(|v| std::fs::read(v).unwrap()).collect();
    let dates: Vec<_> = victims.iter().map(|v| v.metadata().unwrap().modified().unwrap()).collect();
    let cut = victims.clone();
    let source = restless(&incident.before(), 2, move || {
        cut.iter().for_each(|v| std::fs::File::options().write(true).open(v).unwrap().set_len(0).unwrap());
    });
    let (_, staged) = stage_from(&platform, &incident.before(), &source).unwrap();
    assert!(staged.unreadable.values().sum::<u64>() > 0, "{staged:?}");
    for ((victim, bytes), date) in victims.iter().zip(whole).zip(dates) {
        std::fs::write(victim, bytes).unwrap();
        std::fs::File::options().append(true).open(victim).unwrap().set_modified(date).unwrap();
    }
    let (id, _) = stage(&platform, &incident.before()).unwrap();
    apply(&platform, id).unwrap();
    assert_proven(&platform, id, "whole again");
    assert_same(&State::of(&platform), &expected, "whole again");
    assert_sound(&platform, "whole again");
}

#[test]
fn a_server_that_is_away_stops_staging_which_goes_on_from_there() {
    let incident = Incident::new();
    let expected = incident.expected();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    let whole = message_files(&incident.before()).len() as u64;
    let leaving = leaving(&incident.before(), 7);
    let error = stage_from(&platform, &incident.before(), &leaving).unwrap_err();
    assert!(error.to_string().contains("back at eight"), "{error}");
    drop(leaving);
    let (id, staged) = stage(&platform, &incident.before()).unwrap();
    assert_eq!(staged.staged, whole - 7, "what was read before is not read again");
    assert!(staged.unreadable.is_empty(), "nothing was given up: {staged:?}");
    apply(&platform, id).unwrap();
    assert_proven(&platform, id, "back");
    assert_same(&State::of(&platform), &expected, "back");
    assert_sound(&platform, "back");
}

#[test]
fn a_tree_that_goes_away_while_it_is_staged_is_staged_when_it_is_back() {
    let incident = Incident::new();
    let expected = incident.expected();
    let (place, away) = (incident.before(), incident.path().join("away"));
    for at in [0, 3, 9] {
        let home = TempDir::new().unwrap();
        let platform = incident.platform(&home);
        let (from, to) = (place.clone(), away.clone());
        let source = restless(&place, at, move || {
            std::fs::create_dir(&to).unwrap();
            std::fs::rename(from.join("mail"), to.join("mail")).unwrap();
        });
        // Whether what is open can be read on, or every file is gone: nothing panics, and nothing is lost for good.
        let interrupted = stage_from(&platform, &place, &source);
        drop(source);
        std::fs::rename(away.join("mail"), place.join("mail")).unwrap();
        std::fs::remove_dir(&away).unwrap();
        let (id, staged) = stage(&platform, &place).unwrap();
        assert!(staged.unreadable.is_empty(), "at {at}: {interrupted:?}, then {staged:?}");
        apply(&platform, id).unwrap();
        assert_proven(&platform, id, &format!("at {at}"));
        assert_same(&State::of(&platform), &expected, &format!("at {at}"));
        assert_sound(&platform, &format!("at {at}"));
    }
}

#[test]
fn a_maildrop_that_goes_away_between_two_stagings_stays_staged() {
    let incident = Incident::new();
    let expected = incident.expected();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    stage(&platform, &incident.before()).unwrap();
    std::fs::remove_dir_all(incident.before().join("mail/example.org/luis")).unwrap();
    let (id, _) = stage(&platform, &incident.before()).unwrap();
    apply(&platform, id).unwrap();
    assert_same(&State::of(&platform), &expected, "luis's mail was staged while it was there");
    assert_proven(&platform, id, "maildrop gone");
    assert_sound(&platform, "maildrop gone");
}

#[test]
fn what_changes_between_staging_and_verify_is_named() {
    let incident = Incident::new();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    let (id, _) = stage(&platform, &incident.before()).unwrap();
    apply(&platform, id).unwrap();
    let files = message_files(&incident.before());
    std::fs::write(&files[0], raw("another", "one")).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let maildir = incident.before().join("mail/example.org/ana/Maildir");
    let late = maildir.join("cur/1400009999.M99P1.host:2,");
    std::fs::write(&late, raw("late", "arrived after staging")).unwrap();

    let verified = support_faults::verify(&platform, id).unwrap();
    let name = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
    let says = |name: String, what: &str| verified.problems.iter().any(|p| p.contains(&name) && p.contains(what));
    assert!(says(name(&files[0]), "changed after it was staged"), "{:#?}", verified.problems);
    assert!(says(name(&late), "was not staged"), "{:#?}", verified.problems);
    // What is gone from the source is in the store: that is no problem, and its row says so.
    assert!(!says(name(&files[1]), ""), "{:#?}", verified.problems);
    assert_sound(&platform, "changed");

    std::fs::remove_dir_all(incident.before()).unwrap();
    let error = support_faults::verify(&platform, id).unwrap_err();
    assert!(error.to_string().contains("before"), "{error}");
}

#[test]
fn a_message_whose_flags_changed_in_its_name_is_not_doubled() {
    let incident = Incident::new();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    stage(&platform, &incident.before()).unwrap();
    for file in message_files(&incident.before()) {
        let seen = file.to_str().unwrap().replace(":2,", ":2,S");
        std::fs::rename(&file, seen).unwrap();
    }
    let (id, staged) = stage(&platform, &incident.before()).unwrap();
    assert_eq!((staged.staged, staged.gone, staged.moved), (0, 0, 21), "{staged:?}");
    apply(&platform, id).unwrap();
    assert_proven(&platform, id, "renamed");
    let state = State::of(&platform);
    assert_eq!(state.message_count(), 25);
    assert!(state.mailbox(LUIS, "INBOX").messages.values().all(|m| m.flags == "S"));
    assert_sound(&platform, "renamed");
}

#[test]
fn files_without_uids_may_come_go_and_change_places_between_stagings() {
    let home = TempDir::new().unwrap();
    let tree = Tree::new(&home.path().join("before"), &[ANA]);
    let unlisted: Vec<Mail> = mail(10..=20, "unlisted").into_iter().map(Mail::unlisted).collect();
    tree.mailbox(ANA, "", None, &unlisted);
    let platform = init(&home.path().join("data"), 1);
    stage(&platform, tree.root()).unwrap();

    // One comes before all, one goes behind all, two trade names: every place in the listing is another's now.
    let cur = tree.maildir(ANA).join("cur");
    let first = Mail::new(1, raw("first", "of all")).unlisted();
    tree.mailbox(ANA, "", None, &[first]);
    let path = |m: &Mail| cur.join(m.file_name());
    std::fs::rename(path(&unlisted[0]), cur.join("1500000000.M1P1.host:2,")).unwrap();
    std::fs::rename(path(&unlisted[3]), cur.join("1499999999.M1P1.host:2,")).unwrap();
    std::fs::rename(path(&unlisted[7]), path(&unlisted[3])).unwrap();
    std::fs::rename(cur.join("1499999999.M1P1.host:2,"), path(&unlisted[7])).unwrap();

    std::fs::rename(path(&unlisted[1]), cur.join("1400000930.M1P1.host:2,")).unwrap();
    tree.mailbox(ANA, "", None, &[Mail::new(2, raw("second", "in the middle")).date(1_400_000_931).unlisted()]);

    let (id, staged) = stage(&platform, tree.root()).unwrap();
    assert_eq!((staged.staged, staged.gone), (2, 0), "{staged:?}");
    apply(&platform, id).unwrap();
    assert_proven(&platform, id, "changed places");
    assert_eq!(State::of(&platform).mailbox(ANA, "INBOX").messages.len(), 13);
    assert_sound(&platform, "changed places");
}

#[test]
fn orphans_may_come_between_stagings() {
    let home = TempDir::new().unwrap();
    let tree = Tree::new(&home.path().join("before"), &[ANA]);
    let orphan = |name: &str| {
        let mut bytes = format!("Delivered-To: {ANA}\n").into_bytes();
        bytes.extend(raw(name, "was found"));
        set_date(&tree.file(&format!("lost+found/{name}"), bytes), 1_400_000_000);
        tree.file(&format!("lost+found/x{name}"), raw(&format!("x{name}"), "is nobody's"));
    };
    ["#20", "#30"].iter().for_each(|n| orphan(n));
    let platform = init(&home.path().join("data"), 1);
    stage(&platform, tree.root()).unwrap();
    ["#10", "#25", "#40"].iter().for_each(|n| orphan(n));
    let (id, _) = stage(&platform, tree.root()).unwrap();
    apply(&platform, id).unwrap();
    let verified = assert_proven(&platform, id, "orphans came");
    assert_eq!(State::of(&platform).mailbox(ANA, "Recuperados").messages.len(), 5);
    assert_eq!(verified.totals.unattributed, 5);
    assert_sound(&platform, "orphans came");
}

#[test]
fn a_message_that_is_cut_between_two_stagings_is_kept_whole() {
    let incident = Incident::new();
    let expected = incident.expected();
    let home = TempDir::new().unwrap();
    let platform = incident.platform(&home);
    stage(&platform, &incident.before()).unwrap();
    let victim = message_files(&incident.before()).pop().unwrap();
    let whole = std::fs::read(&victim).unwrap();
    std::fs::write(&victim, &whole[..whole.len() / 2]).unwrap();
    let (id, staged) = stage(&platform, &incident.before()).unwrap();
    assert_eq!((staged.staged, staged.gone), (1, 1), "{staged:?}");
    apply(&platform, id).unwrap();
    let found = State::of(&platform);
    support_faults::state::assert_holds(&found, &expected, "cut");
    assert_proven(&platform, id, "cut");
    assert_sound(&platform, "cut");
}

fn is_disk_full(error: &IntegrationError) -> bool {
    use directory::{DirectoryError, ErrorClass};
    use integrate::stage::StageError;
    let directory = |e: &DirectoryError| e.class() == ErrorClass::Temporary && !matches!(e, DirectoryError::Stopped);
    match error {
        IntegrationError::Store(e) | IntegrationError::Stage(StageError::Store(e)) => e.is_disk_full(),
        IntegrationError::Directory(e) | IntegrationError::Stage(StageError::Directory(e)) => directory(e),
        _ => false,
    }
}

/// An empty platform on a disk of its own.
fn empty(cells: u32) -> (TempDir, CrashDisk) {
    let home = TempDir::new().unwrap();
    init(&home.path().join("live"), cells).store.settle().unwrap();
    let disk = CrashDisk::new(&home.path().join("live")).unwrap();
    (home, disk)
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_when_there_is_room() {
    let incident = Incident::new();
    let expected = incident.expected();
    let (_home, disk) = empty(2);
    integrate(&Platform::open(disk.root(), disk.options("fault test")).unwrap(), incident.path()).unwrap();
    let ops = disk.op_count();
    let mut told = 0;
    for n in 0..20 {
        let at = 1 + ops * n / 20;
        let (_home, disk) = empty(2);
        let platform = Platform::open(disk.root(), disk.options("fault test")).unwrap();
        disk.fail_from(at, Failure::NoSpace);
        let full = integrate(&platform, incident.path());
        disk.heal();
        if let Err(error) = full {
            // SQLite does not say why it could not make a file of its own.
            let said = is_disk_full(&error) || error.to_string().contains("unable to open database file");
            assert!(said, "at {at}: {error}");
            told += 1;
        }
        let again = integrate(&platform, incident.path());
        // A database whose disk failed refuses to go on as it is; what is opened anew goes on.
        let (platform, id) = match again {
            Ok(id) => (platform, id),
            Err(_) => {
                drop(platform);
                let platform = Platform::open(disk.root(), disk.options("fault test")).unwrap();
                let id = integrate(&platform, incident.path()).unwrap();
                (platform, id)
            }
        };
        assert_same(&State::of(&platform), &expected, &format!("at {at}"));
        assert_proven(&platform, id, &format!("at {at}"));
        assert_sound(&platform, &format!("at {at}"));
    }
    assert!(told >= 10, "the disk was full {told} times");
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_directory() {
    let home = TempDir::new().unwrap();
    let first = Platform::init(home.path(), 1, OpenOptions::for_purpose("integrate stage")).unwrap();
    let Err(refused) = Platform::open(home.path(), OpenOptions::for_purpose("import")) else {
        panic!("two processes write at once");
    };
    let text = refused.to_string();
    let holder = format!("process {} (integrate stage)", std::process::id());
    assert!(text.contains(&holder), "{text}");
    assert_sound(&first, "first");
    drop(first);
    assert_sound(&open(home.path()), "second");
}

#[test]
fn what_stands_for_a_live_message_is_looked_at_and_not_taken_from_the_journal() {
    let home = TempDir::new().unwrap();
    let before = Tree::new(&home.path().join("before"), &[ANA]);
    let after = Tree::new(&home.path().join("after"), &[ANA]);
    let came_by = |hop: &str, id: &str| {
        let mut bytes = format!("Received: by {hop}\r\n").into_bytes();
        bytes.extend_from_slice(&message::to_crlf(&raw(id, &format!("about {id}"))));
        bytes
    };
    before.mailbox(ANA, "", Some(100), &[Mail::new(1, came_by("one.example", "twin"))]);
    before.mailbox(ANA, ".Sent", Some(101), &[Mail::new(1, raw("other", "another one"))]);
    after.mailbox(ANA, "", Some(200), &[]);
    let platform = init(&home.path().join("data"), 1);
    import(&platform, after.root()).unwrap();
    let address = message::Address::new(ANA).unwrap();
    let cell = platform.store.cell_of(&address);
    let mailbox = |name: &str| {
        let name = message::MailboxName::new(name).unwrap();
        cell.read(|view| {
            let account = view.account(LIVE, &address)?.unwrap();
            let found = view.mailboxes(account.id)?.into_iter().find(|m| m.name == name);
            Ok((account.id, found.unwrap().id))
        })
        .unwrap()
    };
    let (account, inbox) = mailbox("INBOX");
    let twin = came_by("two.example", "twin");
    cell.deliver(vec![store::Delivery {
        account,
        mailbox: inbox,
        uid: None,
        message: store::Prepared::new(&twin, &message::examine(&twin)),
        flags: message::Flags::NONE,
        keywords: Vec::new(),
        internal_date: 1_400_000_000,
        uidl: None,
        traits: store::Traits::default(),
        item: None,
        id: None,
    }])
    .unwrap();

    let source = integrate::open_source(before.root()).unwrap();
    let named = integrate::Named { path: before.root().to_str().unwrap(), source: &*source };
    let policy = Some(integrate::plan::Policy { join_twins: true, ..integrate::plan::Policy::default() });
    let silent = &integrate::Silent;
    let (id, _) = integrate::stage_integration(&platform, &named, None, None, policy, silent).unwrap();
    apply(&platform, id).unwrap();
    assert_proven(&platform, id, "joined twins");

    // Another message comes to stand where the twins' one stood.
    let messages = |mailbox| {
        let mut found = Vec::new();
        cell.read(|view| {
            view.for_each_message(account, mailbox, |message, _| {
                found.push(message);
                Ok(())
            })
        })
        .unwrap();
        found
    };
    let [joined] = messages(inbox).try_into().unwrap();
    let [other] = messages(mailbox("Sent").1).try_into().unwrap();
    cell.write(|tx| {
        tx.remove_message(account, inbox, joined.uid)?;
        tx.put_message(account, inbox, &store::Message { blob: other.blob, ..joined.clone() })
    })
    .unwrap();
    let problems = support_faults::verify(&platform, id).unwrap().problems;
    let live = "live/INBOX/1: the message that should stand for it is not its near twin";
    assert!(problems.iter().any(|p| p.contains(live)), "{problems:#?}");
    assert_sound(&platform, "joined twins");
}

#[test]
fn a_damaged_record_is_named_and_costs_its_message_alone() {
    let incident = Incident::new();
    let home = TempDir::new().unwrap();
    let dir = home.path().join("data");
    let platform = init(&dir, 1);
    let id = integrate(&platform, incident.path()).unwrap();
    let (place, digest) = platform.store.cells()[0]
        .read(|view| {
            let luis = view.account(LIVE, &message::Address::new(LUIS).unwrap())?.unwrap();
            let inbox = view.mailboxes(luis.id)?.remove(0);
            let mut found = None;
            view.for_each_message(luis.id, inbox.id, |m, blob| {
                found = found.or((m.uid == 3).then_some((blob.place, blob.digest)));
                Ok(())
            })?;
            Ok(found.unwrap())
        })
        .unwrap();
    drop(platform);
    let segment = dir.join(format!("cells/00/segments/{:08x}.seg", place.segment));
    let file = std::fs::File::options().read(true).write(true).open(segment).unwrap();
    // Behind the record's head, so that its bytes are what is damaged.
    let mut byte = [0];
    file.read_exact_at(&mut byte, place.position + 300).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], place.position + 300).unwrap();

    let platform = open(&dir);
    let verified = support_faults::verify(&platform, id).unwrap();
    assert!(!verified.problems.is_empty());
    let strange: Vec<_> = verified.problems.iter().filter(|p| !p.contains(LUIS)).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    let problems = platform.store.cells()[0].check().unwrap().problems;
    let at = format!("segment {:08x}", place.segment);
    assert!(problems.iter().any(|p| p.text.contains(&at)), "{problems:#?}");
    assert_eq!(platform.directory.check_consistency().unwrap(), []);

    // The rest is read, and the integration can be undone and applied again.
    let readable = platform.store.cells()[0].read(|view| {
        let mut readable = 0;
        for account in view.accounts(LIVE)? {
            for mailbox in view.mailboxes(account.id)? {
                view.for_each_message(account.id, mailbox.id, |_, blob| {
                    match view.bytes(&blob) {
                        Ok(_) => readable += 1,
                        Err(_) => assert_eq!(blob.digest, digest),
                    }
                    Ok(())
                })?;
            }
        }
        Ok(readable)
    });
    assert_eq!(readable.unwrap(), 24);
    support_faults::undo(&platform, id).unwrap();
    apply(&platform, id).unwrap();
    assert_eq!(State::of(&platform).message_count(), 25);
}

#[test]
fn an_interrupted_run_stores_no_message_twice() {
    let incident = Incident::new();
    let (_whole_home, whole) = empty(1);
    integrate(&Platform::open(whole.root(), whole.options("fault test")).unwrap(), incident.path()).unwrap();
    let ops = whole.op_count();
    let (records, messages) = stored(whole.root());
    assert_eq!((records, messages), (25, 25));
    let mut interrupted = 0;
    for n in 1..14 {
        let cut = ops * n / 14;
        let (_home, disk) = empty(1);
        disk.stop_after(cut);
        if let Ok(platform) = Platform::open(disk.root(), disk.options("fault test")) {
            interrupted += usize::from(integrate(&platform, incident.path()).is_err());
        }
        let image = disk.crash(if n % 2 == 0 { Mode::DropAll } else { Mode::Some(cut) }).unwrap();
        let platform = open(&image);
        integrate(&platform, incident.path()).unwrap();
        assert_sound(&platform, &format!("cut {cut}"));
        drop(platform);
        assert_eq!(stored(&image), (messages, messages), "cut {cut}");
    }
    assert!(interrupted > 8, "{interrupted} of 13 runs were interrupted");
}
