//! A data directory is read beside the process that writes it: nothing is written, nobody waits.

use rusqlite::Connection;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use store::{Account, Class, MailboxId, OpenOptions, Store, StoreError, View};
use testkit::files::{Tree, tree};

use crate::support::{
    SMALL_SEGMENT, address, assert_sound, delivery, live, mailbox, make_account, open, options, scratch,
};

/// Everything but the memory that SQLite shares between processes, where who reads notes that it does.
fn files(dir: &Path) -> Tree {
    let mut tree = tree(dir).unwrap();
    tree.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
    tree
}

fn beside(dir: &Path) -> Store {
    Store::open_beside(dir, &options()).unwrap().expect("readers are admitted")
}

/// The number of an account's cell.
fn cell_of(store: &Store, account: &Account) -> usize {
    store.cell_of(&address(&account.address)).number() as usize
}

fn read_only<T>(result: Result<T, StoreError>) -> bool {
    match result {
        Err(StoreError::Write(inner)) => matches!(*inner, StoreError::ReadOnly),
        result => matches!(result, Err(StoreError::ReadOnly)),
    }
}

#[test]
fn it_sees_what_is_acknowledged_and_writes_nothing() {
    let home = scratch();
    let store = Store::init(home.path(), 2, options()).unwrap();
    store.admit_readers().unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let (bea, _) = make_account(&store, "bea@example.org", 1001);
    let cell = &store.cells()[cell_of(&store, &ana)];
    cell.deliver(vec![delivery(&ana, inbox, "a"), delivery(&ana, inbox, "b*20000")]).unwrap();

    let before = files(home.path());
    let reader = beside(home.path());
    assert_eq!(live(&reader), live(&store), "bytes too");
    let looking = &reader.cells()[cell_of(&store, &ana)];
    assert!(read_only(looking.deliver(vec![delivery(&ana, inbox, "c")])));
    assert!(read_only(looking.write(|tx| tx.expunge(ana.id, inbox, 1, 1))));
    assert!(read_only(looking.snapshot()));
    assert!(read_only(looking.sync()) && read_only(looking.flush_manifests()) && read_only(reader.settle()));
    reader.admit_readers().unwrap();
    assert_eq!(files(home.path()), before);

    // It is no picture of one moment: each read sees what is acknowledged by then.
    cell.deliver(vec![delivery(&ana, inbox, "c")]).unwrap();
    cell.write(|tx| tx.expunge(ana.id, inbox, 1, 1)).unwrap();
    store.cells()[cell_of(&store, &bea)].write(|tx| tx.create_mailbox(&bea, &mailbox("Sent", 1002))).unwrap();
    assert_eq!(live(&reader), live(&store));
    let before = files(home.path());
    drop(reader);
    assert_eq!(files(home.path()), before, "nor does its end");
    assert_sound(&store);
    drop(store);
    assert_sound(&open(home.path()));
}

/// How many messages a mailbox has.
fn count(view: &View<'_>, account: &Account, mailbox: MailboxId) -> Result<u32, StoreError> {
    let mut count = 0;
    view.for_each_message(account.id, mailbox, |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

#[test]
fn a_long_read_sees_one_state_and_keeps_no_writer_waiting() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    store.admit_readers().unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    cell.deliver(vec![delivery(&ana, inbox, "first")]).unwrap();
    let reader = beside(home.path());
    let (begun, has_begun) = mpsc::channel();
    let (written, is_written) = mpsc::channel();
    let (looking, account) = (&reader.cells()[0], &ana);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            looking.read(|view| {
                let first = count(view, account, inbox)?;
                begun.send(()).unwrap();
                // Only once the writer has written all of it does the reading go on.
                is_written.recv_timeout(Duration::from_secs(60)).expect("the writer does not wait");
                Ok((first, count(view, account, inbox)?))
            })
        });
        has_begun.recv().unwrap();
        for number in 0..40 {
            cell.deliver(vec![delivery(&ana, inbox, &format!("{number}*{}", SMALL_SEGMENT / 8))]).unwrap();
        }
        cell.write(|tx| tx.expunge(ana.id, inbox, 1, 1)).unwrap();
        store.settle().unwrap();
        written.send(()).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), (1, 1));
    });
    assert_eq!(looking.read(|view| count(view, account, inbox)).unwrap(), 40);
    store.settle().unwrap();
    assert_sound(&store);
}

#[test]
fn who_admits_nobody_or_is_gone_is_not_read_beside() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let nobody = |when: &str| {
        assert!(Store::open_beside(home.path(), &options()).unwrap().is_none(), "{when}");
    };
    nobody("it does not say that all of it is open");
    store.admit_readers().unwrap();
    drop(beside(home.path()));
    drop(store);
    nobody("nobody holds it");
    let holder = Store::open_in_passing(home.path(), options()).unwrap();
    nobody("it is only made good");
    drop(holder);
    std::fs::remove_file(home.path().join("lock")).unwrap();
    nobody("there never was anybody");
    assert_sound(&open(home.path()));
}

#[test]
fn a_reader_gives_the_lock_back_and_goes_on_beside_whoever_takes_it() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    store.cells()[0].deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    drop(store);

    let reader = Store::open_in_passing(home.path(), options()).unwrap().into_reader(&options()).unwrap();
    let was = live(&reader);
    let writer = open(home.path());
    assert_eq!(live(&writer), was);
    writer.cells()[0].deliver(vec![delivery(&ana, inbox, "b")]).unwrap();
    assert_eq!(live(&reader), live(&writer));
    let now = live(&writer);
    // The last to close it is who may not write the log back.
    drop(writer);
    assert_eq!(live(&reader), now);
    drop(reader);
    let store = open(home.path());
    assert_eq!(live(&store), now);
    assert_sound(&store);
}

#[test]
fn who_wants_to_write_waits_for_who_holds_it_in_passing_and_for_nobody_else() {
    let home = scratch();
    drop(Store::init(home.path(), 1, options()).unwrap());
    let passing = Store::open_in_passing(home.path(), OpenOptions::for_purpose("a list")).unwrap();
    let again = Store::open_in_passing(home.path(), options());
    assert!(matches!(again, Err(StoreError::InUse { holder, .. }) if holder.ends_with("(a list)")));
    let (opening, is_opening) = mpsc::channel();
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            opening.send(()).unwrap();
            open(home.path())
        });
        is_opening.recv().unwrap();
        // Long enough that it would have been refused.
        std::thread::sleep(Duration::from_millis(100));
        drop(passing.into_reader(&options()).unwrap());
        writer.join().unwrap()
    });
    let error = Store::open(home.path(), options()).err().expect("the second is refused");
    assert!(matches!(&error, StoreError::InUse { holder, .. } if holder.ends_with("(test)")), "{error}");
    writer.admit_readers().unwrap();
    let error = Store::open(home.path(), options()).err().expect("also by one that admits readers");
    assert!(error.to_string().ends_with("(test); wait for it to end, or stop it"), "{error}");
    assert_sound(&writer);
}

#[test]
fn who_has_the_lock_and_has_not_said_so_yet_is_waited_for() {
    let home = scratch();
    drop(Store::init(home.path(), 1, options()).unwrap());
    let lock = std::fs::File::options().write(true).open(home.path().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(|| open(home.path()));
        // Long enough that it would have been refused.
        std::thread::sleep(Duration::from_millis(100));
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock).unwrap();
        writer.join().unwrap()
    });
    assert_sound(&writer);
}

#[test]
fn an_index_of_another_version_is_refused_and_left_as_it_is() {
    for (version, word) in [("1", "earlier release"), ("99", "use a newer one"), ("none", "use a newer one")] {
        let home = scratch();
        let store = Store::init(home.path(), 1, options()).unwrap();
        store.admit_readers().unwrap();
        let index = home.path().join("cells/00/index.sqlite");
        let db = Connection::open(&index).unwrap();
        let of_today: String =
            db.query_row("SELECT value FROM cell WHERE name = 'schema'", [], |row| row.get(0)).unwrap();
        let put = |version: &str| db.execute("UPDATE cell SET value = ?1 WHERE name = 'schema'", [version]).unwrap();
        let before = store.cells()[0].read(|view| Ok(view.accounts(store::LIVE)?.len())).unwrap();
        put(version);
        let error = Store::open_beside(home.path(), &options()).err().expect("it is not understood");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.class(), Class::Permanent);
        put(&of_today);
        assert_eq!(store.cells()[0].read(|view| Ok(view.accounts(store::LIVE)?.len())).unwrap(), before);
        assert_sound(&store);
    }
}

/// A user that this process is not.
const SOMEBODY: u32 = 65_534;

/// Calls `each` for a directory and everything in it.
fn walk(path: &Path, each: &mut dyn FnMut(&Path)) {
    each(path);
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), each));
    }
}

#[test]
fn what_root_makes_in_the_data_directory_of_another_user_is_that_users() {
    if !testkit::is_root("only root gives files away") {
        return;
    }
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    drop(store);
    walk(home.path(), &mut |path| std::os::unix::fs::chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap());
    // As when it comes from a copy without it.
    std::fs::remove_file(home.path().join("lock")).unwrap();

    let store = Store::open_in_passing(home.path(), options()).unwrap();
    // A new segment, as also a reader begins one where a killed process owed the segments a description.
    store.cells()[0].deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    let reader = store.into_reader(&options()).unwrap();
    let writer = open(home.path());
    let mut made = 0;
    walk(home.path(), &mut |path| {
        let metadata = std::fs::metadata(path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (SOMEBODY, SOMEBODY), "{}", path.display());
        made += u32::from(path.ends_with("lock") || path.extension().is_some_and(|e| e == "seg"));
    });
    assert!(made >= 2, "the lock and a segment");
    drop(reader);
    assert_sound(&writer);
    drop(writer);
    // Nor does anybody get at another file by it.
    let (other, lock) = (home.path().join("other"), home.path().join("lock"));
    std::fs::write(&other, "root's").unwrap();
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&other, &lock).unwrap();
    assert!(Store::open_in_passing(home.path(), options()).is_err());
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "root's");
    assert_eq!(std::fs::metadata(&other).unwrap().uid(), 0);
    std::fs::remove_file(&lock).unwrap();
    assert_sound(&open(home.path()));
}

#[test]
fn an_index_is_made_anew_while_somebody_still_reads_the_old_one() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    store.admit_readers().unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    store.cells()[0].deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    let reader = beside(home.path());
    let was = live(&reader);
    drop(store);
    Store::rebuild(home.path(), None, options()).unwrap();
    let store = open(home.path());
    let account = store.cells()[0].read(|view| view.account(store::LIVE, &address(&ana.address))).unwrap().unwrap();
    let inbox = store.cells()[0].read(|view| view.mailboxes(account.id)).unwrap()[0].id;
    store.cells()[0].deliver(vec![delivery(&account, inbox, "b")]).unwrap();
    assert_eq!(live(&reader), was, "what it has open is whole, and of the past");
    drop(reader);
    store.cells()[0].deliver(vec![delivery(&account, inbox, "c")]).unwrap();
    let now = live(&store);
    assert_sound(&store);
    drop(store);
    let store = open(home.path());
    assert_eq!(live(&store), now);
    assert_sound(&store);
}
