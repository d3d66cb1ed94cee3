//! Whether what is served can be served: the directory and every cell are read, when somebody asks. Nothing is written.

use directory::Directory;
use edge::causes;
use message::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{LIVE, Store};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long an answer is good for: nobody keeps the disks busy by asking.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// A disk that takes longer serves nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is looked at, and what was found last.
pub(super) struct Readiness {
    parts: Vec<Part>,
    found: Mutex<Option<(Instant, Vec<String>)>>,
}

/// What can fail by itself.
#[derive(Clone)]
struct Part {
    what: Arc<str>,
    look: Arc<dyn Fn() -> anyhow::Result<()> + Send + Sync>,
    /// It is being looked at: one that hangs holds one thread and not one for each who asks.
    busy: Arc<AtomicBool>,
}

impl Readiness {
    /// Looks at a store and a directory.
    pub(super) fn new(store: &Arc<Store>, directory: &Arc<Directory>) -> Self {
        // Nobody's: what is found out is whether it can be looked for.
        let nobody = Address::new("nobody@localhost").expect("it is an address");
        let (asked, address) = (Arc::clone(directory), nobody.clone());
        let mut parts = vec![Part::new("the directory".to_owned(), move || {
            asked.account(&address)?;
            Ok(())
        })];
        parts.extend((0..store.cells().len()).map(|place| {
            let (store, address) = (Arc::clone(store), nobody.clone());
            Part::new(format!("cell {}", store.cells()[place].number()), move || {
                let cell = &store.cells()[place];
                // The index may be in memory as a whole; its place may be gone all the same.
                std::fs::read_dir(cell.dir())?.next().transpose()?;
                cell.read(|view| view.account(LIVE, &address))?;
                Ok(())
            })
        }));
        Readiness { parts, found: Mutex::default() }
    }

    /// What cannot be served, in words without paths; nothing if all can.
    pub(super) async fn troubles(&self) -> Vec<String> {
        // Whoever asks meanwhile waits for what is found.
        let mut found = self.found.lock().await;
        if let Some((at, troubles)) = &*found
            && at.elapsed() < GOOD_FOR
        {
            return troubles.clone();
        }
        let looks: JoinSet<Option<String>> = self.parts.iter().cloned().map(Part::trouble).collect();
        let mut troubles: Vec<String> = looks.join_all().await.into_iter().flatten().collect();
        troubles.sort();
        *found = Some((Instant::now(), troubles.clone()));
        troubles
    }
}

impl Part {
    fn new(what: String, look: impl Fn() -> anyhow::Result<()> + Send + Sync + 'static) -> Self {
        Part { what: what.into(), look: Arc::new(look), busy: Arc::default() }
    }

    async fn trouble(self) -> Option<String> {
        let Part { what, look, busy } = self;
        let hangs = Some(format!("{what} does not answer"));
        if busy.swap(true, Ordering::SeqCst) {
            return hangs;
        }
        let looked = tokio::task::spawn_blocking(move || {
            let result = look();
            busy.store(false, Ordering::SeqCst);
            result
        });
        match timeout(PATIENCE, looked).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => {
                tracing::error!(%what, cause = causes(&*error), "not ready: what is asked for cannot be read");
                Some(format!("{what} cannot be read"))
            }
            // A panic: the hook has told of it.
            Ok(Err(_)) => Some(format!("{what} cannot be read")),
            Err(_) => {
                tracing::error!(%what, "not ready: what is asked for does not answer");
                hangs
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn readiness(parts: Vec<Part>) -> Readiness {
        Readiness { parts, found: Mutex::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_named_and_an_answer_is_good_for_a_while() {
        let broken = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&broken);
        let look = move || match asked.load(Ordering::SeqCst) {
            true => Err(anyhow::anyhow!("/var/mail/cells/01 is gone")),
            false => Ok(()),
        };
        let readiness = readiness(vec![Part::new("cell 0".into(), || Ok(())), Part::new("cell 1".into(), look)]);
        assert_eq!(readiness.troubles().await, ["cell 1 cannot be read"]);
        broken.store(false, Ordering::SeqCst);
        assert_eq!(readiness.troubles().await, ["cell 1 cannot be read"]);
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(readiness.troubles().await, [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_named_and_asked_once() {
        let (release, released) = mpsc::channel::<()>();
        let (released, looks) = (std::sync::Mutex::new(released), Arc::new(AtomicBool::new(false)));
        let look = move || {
            assert!(!looks.swap(true, Ordering::SeqCst), "asked again while it hangs");
            // An error: the test is over.
            let _ = released.lock().expect("nobody panicked").recv();
            Ok(())
        };
        let readiness = readiness(vec![Part::new("cell 0".into(), look)]);
        for _ in 0..3 {
            let mut asked = std::pin::pin!(readiness.troubles());
            // The clock does not go on by itself while a thread blocks.
            let troubles = loop {
                tokio::select! {
                    biased;
                    troubles = &mut asked => break troubles,
                    () = tokio::time::advance(GOOD_FOR) => {}
                }
            };
            assert_eq!(troubles, ["cell 0 does not answer"]);
            tokio::time::advance(GOOD_FOR).await;
        }
        drop(release);
    }
}
