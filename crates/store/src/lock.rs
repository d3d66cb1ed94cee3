//! The lock of a directory: one process writes in it, and says who it is and whether others may read beside it.
//!
//! The file has the holder's name in its first line, and in a second, where there is one, what that means for others.

use crate::disk::give_to_owner;
use crate::error::StoreError;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, StoreError>;

const LOCK: &str = "lock";
/// The second line of a holder beside whom others may read. A program that does not know of readers does not write it.
const READERS: &str = "others may read";
/// The second line of a holder who only makes good what was left before it reads, and then lets go.
const IN_PASSING: &str = "lets go in a moment";
/// How long somebody who holds the lock in passing is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// How long a name must stand in a lock that is held before it is believed to be its holder's: until somebody who has just
/// taken it has said so, which a busy disk delays, that of one who was killed stands there.
const BELIEVED_AFTER: Duration = Duration::from_millis(250);

/// A lock that is held until it is dropped.
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

/// That another process holds it.
#[derive(Clone, PartialEq)]
struct Held {
    /// Which, as it names itself; `None` while it has not done so, or not any more.
    by: Option<String>,
    in_passing: bool,
}

impl Held {
    fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim);
        let by = lines.next().filter(|by| !by.is_empty()).map(str::to_owned);
        Held { by, in_passing: lines.next() == Some(IN_PASSING) }
    }

    fn stays(&self) -> bool {
        self.by.is_some() && !self.in_passing
    }

    fn refused(self, dir: &Path) -> StoreError {
        StoreError::InUse { path: dir.to_owned(), holder: self.by.unwrap_or_else(|| "another process".to_owned()) }
    }
}

/// What a held lock says, and since when.
#[derive(Default)]
struct Named(Option<(Held, Instant)>);

impl Named {
    /// Whether what it says now has stood there long enough to be its holder's.
    fn is_believed(&mut self, held: &Held, now: Instant) -> bool {
        match &self.0 {
            Some((before, since)) if before == held => now.duration_since(*since) >= BELIEVED_AFTER,
            _ => {
                self.0 = Some((held.clone(), now));
                false
            }
        }
    }
}

impl Lock {
    /// Takes the lock of a directory, which keeps readers out until [`Lock::admit_readers`]. Who holds it in passing, or
    /// has not said who it is, is waited for.
    ///
    /// # Errors
    /// [`StoreError::InUse`] naming the process that holds it; those of the disk.
    pub(crate) fn take(dir: &Path, purpose: &str) -> Result<Self> {
        let patient_until = Instant::now() + PATIENCE;
        let mut named = Named::default();
        loop {
            let held = match Self::try_take(dir, &format!("process {} ({purpose})\n", std::process::id()))? {
                Ok(lock) => return Ok(lock),
                Err(held) => held,
            };
            let now = Instant::now();
            if named.is_believed(&held, now) && held.stays() || now >= patient_until {
                return Err(held.refused(dir));
            }
            std::thread::sleep(TRY_AGAIN_AFTER);
        }
    }

    /// Takes the lock for a moment: others who want it wait until it is let go. Waits for nobody itself.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub(crate) fn take_in_passing(dir: &Path, purpose: &str) -> Result<Self> {
        let text = format!("process {} ({purpose})\n{IN_PASSING}\n", std::process::id());
        Self::try_take(dir, &text)?.map_err(|held| held.refused(dir))
    }

    fn try_take(dir: &Path, text: &str) -> Result<std::result::Result<Self, Held>> {
        let path = dir.join(LOCK);
        let io = || StoreError::io(path.clone());
        let mut file = open(&path).map_err(io())?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only what it says of itself is wanted; an unreadable lock file is still a held lock.
                let _ = file.read_to_string(&mut text);
                return Ok(Err(Held::of(&text)));
            }
            Err(e) => return Err(io()(e.into())),
        }
        let said = (|| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())
        })();
        said.map_err(io())?;
        Ok(Ok(Lock { file, path }))
    }

    /// Says that others may read beside this process.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn admit_readers(&self) -> Result<()> {
        // In one write, so that nobody reads half of it.
        let line = format!("{READERS}\n");
        (&self.file).write_all(line.as_bytes()).map_err(StoreError::io(&self.path))
    }

    /// Which process lets others read beside it, as it names itself. One that was killed still does: whoever asks has
    /// found the lock held.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn who_admits(dir: &Path) -> Result<Option<String>> {
        let path = dir.join(LOCK);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(path)(error)),
        };
        let mut lines = text.lines();
        let holder = lines.next().map(str::to_owned);
        Ok(holder.filter(|_| lines.next() == Some(READERS)))
    }
}

/// Opens the file, making it where there is none. Only what was made here is given away, and nothing is opened by a link: who
/// owns the data directory must not get at other files by root.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    match options.clone().create_new(true).open(path) {
        Ok(made) => {
            give_to_owner(&made, path);
            Ok(made)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file spares a reader a stale name.
        let _ = self.file.set_len(0);
        // Closing the file would not do it while a child that is just being started still has a copy of it.
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::{BELIEVED_AFTER, Held, IN_PASSING, Instant, Named, READERS, TRY_AGAIN_AFTER};

    #[test]
    fn the_name_of_one_that_was_killed_is_not_taken_for_that_of_who_has_the_lock_since() {
        let (killed, lists) =
            (format!("process 1 (serve)\n{READERS}\n"), format!("process 2 (a list)\n{IN_PASSING}\n"));
        let (killed, lists) = (Held::of(&killed), Held::of(&lists));
        let (mut named, start) = (Named::default(), Instant::now());
        assert!(killed.stays() && !lists.stays());
        assert!(!named.is_believed(&killed, start));
        assert!(
            !named.is_believed(&killed, start + 5 * TRY_AGAIN_AFTER),
            "a busy disk has not taken the other name yet"
        );
        assert!(!named.is_believed(&lists, start + 6 * TRY_AGAIN_AFTER));
        assert!(!named.is_believed(&killed, start + BELIEVED_AFTER), "from anew");
        assert!(named.is_believed(&killed, start + 2 * BELIEVED_AFTER));
    }
}
