//! One file's content: what is durable, and what was done to it since.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::image::{Image, chunks};
use super::random::Random;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file, whatever names lead to it. Always locked under the disk's own lock, never the other way round.
#[derive(Default)]
pub(super) struct Inode(Mutex<Content>);

#[derive(Default)]
struct Content {
    durable: Image,
    /// In the order they were made.
    pending: Vec<Change>,
    /// How many of the first pending changes a failed sync has lost: the kernel believes that they are on the disk.
    lost: usize,
    /// Length of the live file.
    length: u64,
}

enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Resize { length: u64 },
}

impl Inode {
    /// A file that was there before the disk was.
    pub(super) fn durable(image: Image) -> Self {
        let length = image.len();
        Self(Mutex::new(Content { durable: image, length, ..Content::default() }))
    }

    /// A file that ordinary code wrote beside the disk: none of it was synced.
    pub(super) fn unsynced(bytes: Vec<u8>) -> Self {
        let inode = Self::default();
        inode.wrote(0, &bytes);
        inode
    }

    /// Length of the live file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.lock().length
    }

    pub(super) fn wrote(&self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut content = self.lock();
        content.length = content.length.max(offset + bytes.len() as u64);
        content.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn resized(&self, length: u64) {
        let mut content = self.lock();
        content.length = length;
        content.pending.push(Change::Resize { length });
    }

    /// Makes everything durable, save the data that an earlier failed sync lost.
    pub(super) fn synced(&self) {
        let content = &mut *self.lock();
        for (index, change) in content.pending.drain(..).enumerate() {
            match change {
                Change::Write { offset, bytes } if index >= content.lost => content.durable.write(offset, &bytes),
                Change::Write { .. } => {}
                Change::Resize { length } => content.durable.set_len(length),
            }
        }
        content.durable.set_len(content.length);
        content.lost = 0;
    }

    /// Marks everything pending as lost: after a failed fsync the kernel takes the pages for clean and never writes
    /// them again, though it goes on serving them to readers.
    pub(super) fn sync_failed(&self) {
        let mut content = self.lock();
        content.lost = content.pending.len();
    }

    /// What is on the disk for certain.
    pub(super) fn certain(&self) -> Image {
        self.lock().durable.clone()
    }

    /// What may be on the disk: the length is one of those since the last sync, and each sector holds one of its
    /// versions since the last sync, independently of all others.
    pub(super) fn possible(&self, random: &mut Random) -> Image {
        let content = self.lock();
        let resizes = content.choose_length(random);
        let versions = content.choose_versions(random);

        let mut image = content.durable.clone();
        let mut length = image.len();
        let mut chosen_length = length;
        let mut resizes_seen = 0;
        let mut versions_seen: BTreeMap<u64, u64> = BTreeMap::new();
        for change in &content.pending {
            let new_length = change.length_after(length);
            let resized = new_length != length;
            length = new_length;
            resizes_seen += usize::from(resized);
            let length_kept = resizes_seen <= resizes;
            if length_kept {
                chosen_length = length;
            }
            match change {
                Change::Write { offset, bytes } => {
                    for (offset, part) in chunks(*offset, bytes, SECTOR_BYTES) {
                        let sector = offset / SECTOR_BYTES as u64;
                        let version = versions_seen.entry(sector).or_default();
                        *version += 1;
                        if *version <= versions[&sector] {
                            image.write(offset, part);
                        }
                    }
                }
                // A cut that reached the disk takes with it what stood beyond.
                Change::Resize { length } if resized && length_kept && *length < image.len() => image.set_len(*length),
                Change::Resize { .. } => {}
            }
        }
        image.set_len(chosen_length);
        image
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// How many of the changes of length since the last sync reached the disk; half the time all.
    fn choose_length(&self, random: &mut Random) -> usize {
        let mut length = self.durable.len();
        let mut resizes = 0;
        for change in &self.pending {
            let after = change.length_after(length);
            resizes += usize::from(after != length);
            length = after;
        }
        if random.below(2) == 0 { resizes } else { random.below(resizes as u64 + 1) as usize }
    }

    /// For each sector written since the last sync, how many of its writes reached the disk. Neighbours tend to share
    /// their fate, so that whole writes are kept or dropped as often as torn ones.
    fn choose_versions(&self, random: &mut Random) -> BTreeMap<u64, u64> {
        let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
        for change in &self.pending {
            if let Change::Write { offset, bytes } = change {
                for (offset, _) in chunks(*offset, bytes, SECTOR_BYTES) {
                    *versions.entry(offset / SECTOR_BYTES as u64).or_default() += 1;
                }
            }
        }
        let kept_quarters = random.below(5);
        let mut newest = random.below(4) < kept_quarters;
        for kept in versions.values_mut() {
            if random.below(4) == 0 {
                newest = random.below(4) < kept_quarters;
            }
            if !newest {
                *kept = random.below(*kept);
            }
        }
        versions
    }
}

impl Change {
    fn length_after(&self, length: u64) -> u64 {
        match self {
            Self::Write { offset, bytes } => length.max(offset + bytes.len() as u64),
            Self::Resize { length } => *length,
        }
    }
}
