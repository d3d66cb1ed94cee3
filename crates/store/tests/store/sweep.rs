//! Batches that are written past the system's cache, and the reader of many records.

use crate::support::{SMALL_SEGMENT, assert_sound, delivery, make_account, options, raw, scratch};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use store::disk::{Disk, DiskFile, RealDisk};
use store::segment::Sweep;
use store::{Account, Blob, Cell, MailboxId, OpenOptions, Store, StoreError};
use tempfile::TempDir;

/// On a disk, where the test machine's temporary directory is on one, and in memory: both can do what they can.
fn homes() -> [TempDir; 2] {
    [TempDir::new().unwrap(), scratch()]
}

fn blobs(cell: &Cell, account: &Account, mailbox: MailboxId) -> Vec<Blob> {
    let mut blobs = Vec::new();
    cell.read(|view| {
        view.for_each_message(account.id, mailbox, |_, blob| {
            blobs.push(blob);
            Ok(())
        })
    })
    .unwrap();
    blobs
}

#[test]
fn batches_of_any_length_and_place_are_read_back_in_any_order() {
    for home in homes() {
        let store = Store::init(home.path(), 1, OpenOptions::for_purpose("test")).unwrap();
        let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
        let cell = &store.cells()[0];
        let mut texts = Vec::new();
        // Around what goes past the cache, and ends and beginnings in the middle of blocks; one longer than any window.
        let lengths: [&[usize]; 7] = [
            &[10],
            &[700_000, 800_000, 600_123, 1],
            &[4096],
            &[2 << 20],
            &[(2 << 20) - 400, 0, 3_000_001],
            &[5 << 20],
            &[7, 8],
        ];
        for batch in lengths {
            let batch: Vec<String> =
                batch.iter().enumerate().map(|(n, length)| format!("{}{n}*{length}", texts.len())).collect();
            cell.deliver(batch.iter().map(|text| delivery(&ana, inbox, text)).collect()).unwrap();
            texts.extend(batch);
        }
        let blobs = blobs(cell, &ana, inbox);
        assert_eq!(blobs.len(), texts.len());
        let mut sweep = Sweep::default();
        let order = (0..blobs.len()).chain((0..blobs.len()).rev()).chain([3, 0, 9, 3, 3, 1]);
        for at in order {
            assert!(cell.bytes_swept(&blobs[at], &mut sweep).unwrap() == raw(&texts[at]), "{}", texts[at]);
            assert!(cell.bytes(&blobs[at]).unwrap() == raw(&texts[at]), "{}", texts[at]);
        }
        assert_sound(&store);
        drop(store);
        let store = Store::open(home.path(), OpenOptions::for_purpose("test")).unwrap();
        assert_sound(&store);
    }
}

#[test]
fn what_is_written_after_a_window_was_read_is_read_too() {
    for home in homes() {
        let store = Store::init(home.path(), 1, options()).unwrap();
        let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
        let cell = &store.cells()[0];
        let mut sweep = Sweep::default();
        for n in 0..40 {
            let text = format!("{n}*{}", n * 97);
            cell.deliver(vec![delivery(&ana, inbox, &text)]).unwrap();
            let blob = blobs(cell, &ana, inbox)[n];
            assert_eq!(cell.bytes_swept(&blob, &mut sweep).unwrap(), raw(&text));
        }
        assert_sound(&store);
    }
}

#[test]
fn one_sweep_goes_from_cell_to_cell() {
    let home = scratch();
    let store = Store::init(home.path(), 2, options()).unwrap();
    let mut sweep = Sweep::default();
    let mut cells = std::collections::BTreeSet::new();
    // The same place in two cells.
    for (n, who) in ["ana", "bea", "carla", "dora", "eva", "flor"].iter().enumerate() {
        let address = format!("{who}@example.org");
        let (account, inbox) = make_account(&store, &address, 1000);
        let cell = store.cell_of(&crate::support::address(&address));
        cells.insert(cell.number());
        let text = format!("{n}*100");
        cell.deliver(vec![delivery(&account, inbox, &text)]).unwrap();
        assert_eq!(cell.bytes_swept(&blobs(cell, &account, inbox)[0], &mut sweep).unwrap(), raw(&text));
    }
    assert_eq!(cells.len(), 2);
    assert_sound(&store);
}

#[test]
fn a_damaged_record_is_named_and_its_neighbours_are_read() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    for n in 0..3 {
        cell.deliver(vec![delivery(&ana, inbox, &format!("{n}*{}", SMALL_SEGMENT / 8))]).unwrap();
    }
    let blobs = blobs(cell, &ana, inbox);
    let path = home.path().join("cells/00/segments/00000001.seg");
    let whole = std::fs::read(&path).unwrap();
    let from = blobs[1].place.position as usize;
    for spoilt in [from, from + 40, blobs[2].place.position as usize - 9] {
        let mut bytes = whole.clone();
        bytes[spoilt] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        let mut sweep = Sweep::default();
        assert_eq!(cell.bytes_swept(&blobs[0], &mut sweep).unwrap(), raw("0*4096"));
        match cell.bytes_swept(&blobs[1], &mut sweep) {
            Err(StoreError::Corrupt { place, .. }) => assert_eq!(place, blobs[1].place),
            other => panic!("{other:?} for byte {spoilt}"),
        }
        assert_eq!(cell.bytes_swept(&blobs[2], &mut sweep).unwrap(), raw("2*4096"));
    }
    // Mended, it is read.
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(cell.bytes_swept(&blobs[1], &mut Sweep::default()).unwrap(), raw("1*4096"));
    assert_sound(&store);
}

#[test]
fn a_store_of_many_segments_does_not_open_them_all_at_once() {
    let home = TempDir::new().unwrap();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    // A segment for each.
    for n in 0..150 {
        cell.deliver(vec![delivery(&ana, inbox, &format!("{n}*{SMALL_SEGMENT}"))]).unwrap();
    }
    let blobs = blobs(cell, &ana, inbox);
    assert!(blobs.last().unwrap().place.segment >= 150);
    let mut sweep = Sweep::default();
    for _ in 0..2 {
        for (n, blob) in blobs.iter().enumerate() {
            assert_eq!(cell.bytes_swept(blob, &mut sweep).unwrap(), raw(&format!("{n}*{SMALL_SEGMENT}")));
        }
        let segments = std::fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
            let file = std::fs::read_link(entry.as_ref().unwrap().path()).unwrap_or_default();
            file.starts_with(home.path()) && file.extension().is_some_and(|e| e == "seg")
        });
        let open = segments.count();
        assert!((1..=130).contains(&open), "{open}");
    }
    assert_sound(&store);
}

/// Gives less of a window than the file has, as some file systems do when they are asked for much.
struct StingyDisk;

struct StingyFile(Arc<dyn DiskFile>);

impl Disk for StingyDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(StingyFile(RealDisk.open(path, create)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

impl DiskFile for StingyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn read_window(&self, window: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_window(window, offset).map(|filled| filled.min(1000))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, length_bytes: u64) -> io::Result<()> {
        self.0.allocate(length_bytes)
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.0.set_len(length_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

#[test]
fn a_window_that_is_filled_in_part_is_no_damage() {
    let home = scratch();
    let stingy = || OpenOptions { disk: Arc::new(StingyDisk), ..options() };
    let store = Store::init(home.path(), 1, stingy()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    let texts = ["a", "b*3000", "c", "d*900"];
    cell.deliver(texts.map(|text| delivery(&ana, inbox, text)).into()).unwrap();
    let mut sweep = Sweep::default();
    for (blob, text) in blobs(cell, &ana, inbox).iter().zip(texts) {
        assert!(cell.bytes_swept(blob, &mut sweep).unwrap() == raw(text), "{text}");
        assert!(cell.has(&blob.digest).unwrap(), "{text}");
    }
    assert_sound(&store);
}
