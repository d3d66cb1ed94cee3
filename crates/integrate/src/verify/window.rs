//! Accounts go by in windows, from hand to hand: one is listed while the one before it is read, and the one before that
//! is judged. So the cores and the disk have something to do all the time, and three windows at most are in memory.

use super::Run;
use super::account::{AccountWork, Finished};
use super::reading::{Buffers, Seen, read_both};
use crate::integration::IntegrationError;
use crate::select::Selection;
use message::{Digest, Identity};
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::thread::ScopedJoinHandle;
use store::{Blob, StoreError};

/// Items and result messages that are looked at together: whole accounts, until it is at least so many.
const WINDOW: usize = 8192;

/// Looks at the chosen accounts, and gives what was found of each to `take`, in the accounts' order. The number is how
/// many bytes of sources and segments were read.
///
/// # Errors
/// Those of `take`, and when a source as a whole or the store fails.
pub(super) fn look(
    run: &Run<'_>,
    selection: &Selection,
    mut take: impl FnMut(Finished) -> Result<(), IntegrationError>,
) -> Result<u64, IntegrationError> {
    let mut bytes = 0;
    hand_on(
        |hand_over| list(run, selection, hand_over),
        |works| Ok(ReadWindow::read(run, works)?),
        |window| {
            bytes += window.bytes;
            window.judge(run, &mut take)
        },
    )?;
    Ok(bytes)
}

/// Lists, reads and judges, each of them while the next is at what came before; all in the order in which it was listed.
/// The listing is told `false` when nobody takes from it any more, and ends. A panic of a hand goes on here.
///
/// # Errors
/// That of the last hand which failed: the hands before it were stopped by it.
fn hand_on<L: Send, R: Send, E: Send>(
    list: impl FnOnce(&mut dyn FnMut(L) -> bool) -> Result<(), E> + Send,
    read: impl Fn(L) -> Result<R, E> + Send,
    judge: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    // Without room between the hands: who is ahead waits.
    let (listed, to_read) = sync_channel::<L>(0);
    let (done, to_judge) = sync_channel::<R>(0);
    std::thread::scope(|scope| {
        // A hand that nobody takes from any more ends; whoever ended first says why.
        let listing = scope.spawn(move || list(&mut |window| listed.send(window).is_ok()));
        let reading = scope.spawn(move || {
            for window in to_read {
                if done.send(read(window)?).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let judged = to_judge.into_iter().try_for_each(judge);
        let (read, listed) = (ended(reading), ended(listing));
        judged.and(read).and(listed)
    })
}

/// What a thread came to.
fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Lists accounts, without reading messages, and hands them over by windows until nobody takes them.
fn list<'a>(
    run: &Run<'a>,
    selection: &Selection,
    hand_over: &mut dyn FnMut(Vec<AccountWork<'a>>) -> bool,
) -> Result<(), IntegrationError> {
    let mut window = Vec::new();
    let mut weight = 0;
    for address in run.addresses()?.into_iter().filter(|a| selection.has(a)) {
        let work = AccountWork::gather(run, address)?;
        run.progress.found(work.weight() as u64, 0);
        weight += work.weight();
        window.push(work);
        if weight >= WINDOW {
            weight = 0;
            if !hand_over(std::mem::take(&mut window)) {
                return Ok(());
            }
        }
    }
    if selection.is_all() {
        window.extend(AccountWork::unattributed(run)?);
    }
    hand_over(window);
    Ok(())
}

/// Accounts, and what was read for them.
struct ReadWindow<'a> {
    works: Vec<AccountWork<'a>>,
    /// What was read of each account's items.
    seen: Vec<HashMap<usize, Result<Seen, String>>>,
    /// The identity of each message of the result, account by account.
    results: Vec<Result<Identity, String>>,
    bytes: u64,
}

/// A message of the result that is to be read.
struct Row {
    /// Its account in the window.
    work: usize,
    blob: Blob,
    /// Whether a source is expected to have the same bytes: their identity is computed there.
    expected: bool,
}

impl<'a> ReadWindow<'a> {
    fn read(run: &Run<'_>, works: Vec<AccountWork<'a>>) -> Result<Self, StoreError> {
        let mut items = Vec::new();
        let mut rows = Vec::new();
        for (index, work) in works.iter().enumerate() {
            items.extend(work.to_read().map(|item| (index, item)));
            let expected = work.expected();
            let row = |blob: Blob| Row { work: index, blob, expected: expected.contains(&blob.digest) };
            rows.extend(work.result_blobs().map(row));
        }
        // In the order in which they lie, whatever the order of the accounts.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|row| (works[rows[*row].work].cell.number(), rows[*row].blob.place));
        let histories = run.histories;
        let (read, results) = read_both(
            &items,
            &order,
            |(work, item)| {
                let (history, locator) = works[*work].locator(*item);
                histories.all[history].source.read_ahead(&locator);
            },
            |buffers, (work, item)| {
                let (history, locator) = works[*work].locator(*item);
                let seen = buffers.source(&*histories.all[history].source, &locator);
                run.progress.done(1, seen.as_ref().map_or(0, |s| s.size_bytes));
                seen
            },
            |buffers, row| {
                let Row { work, blob, expected } = &rows[*row];
                let cell = works[*work].cell;
                let result = match expected {
                    true => buffers.whole(cell, blob).map(|whole| whole.map(|_| None)),
                    false => buffers.identity(cell, blob).map(|identity| identity.map(Some)),
                };
                run.progress.done(1, blob.size_bytes);
                result
            },
        );
        let mut bytes = rows.iter().map(|row| row.blob.size_bytes).sum();
        let mut seen: Vec<HashMap<usize, Result<Seen, String>>> = works.iter().map(|_| HashMap::new()).collect();
        for ((work, item), result) in items.into_iter().zip(read) {
            bytes += result.as_ref().map_or(0, |s| s.size_bytes);
            seen[work].insert(item, result);
        }
        let by_digest = |seen: &HashMap<usize, Result<Seen, String>>| {
            seen.values().flatten().map(|s| (s.digest, s.identity)).collect::<HashMap<Digest, Identity>>()
        };
        let known: Vec<_> = seen.iter().map(by_digest).collect();
        let mut identities = Vec::with_capacity(rows.len());
        let mut buffers = Buffers::default();
        for (row, result) in order.into_iter().zip(results) {
            let Row { work, blob, .. } = &rows[row];
            let identity = match (result?, known[*work].get(&blob.digest)) {
                (Ok(Some(identity)), _) | (Ok(None), Some(&identity)) => Ok(identity),
                // The source has other bytes than it had.
                (Ok(None), None) => buffers.identity(works[*work].cell, blob)?,
                (Err(why), _) => Err(why),
            };
            identities.push((row, identity));
        }
        identities.sort_unstable_by_key(|i| i.0);
        let results = identities.into_iter().map(|i| i.1).collect();
        Ok(ReadWindow { works, seen, results, bytes })
    }

    fn judge(
        self,
        run: &Run<'_>,
        take: &mut impl FnMut(Finished) -> Result<(), IntegrationError>,
    ) -> Result<(), IntegrationError> {
        let mut results = self.results.into_iter();
        for (work, seen) in self.works.into_iter().zip(self.seen) {
            let count = work.result_blobs().count();
            let identities = results.by_ref().take(count).collect();
            take(work.finish(run, seen, identities)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::hand_on;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Hand {
        List,
        Read,
        Judge,
    }

    const HANDS: [Hand; 3] = [Hand::List, Hand::Read, Hand::Judge];

    /// Counts itself while it is somewhere between listing and judgement.
    struct Window<'c>(usize, &'c AtomicUsize);

    impl Drop for Window<'_> {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Hands on so many windows; what happens `at` a hand with a window's number may be an error. Gives what was judged.
    fn hand_on_all(
        windows: usize,
        at: impl Fn(Hand, usize) -> Result<(), Hand> + Sync,
    ) -> (Vec<usize>, Result<(), Hand>) {
        let there = AtomicUsize::new(0);
        let mut judged = Vec::new();
        let result = hand_on(
            |hand_over| {
                for number in 0..windows {
                    assert!(there.fetch_add(1, Ordering::SeqCst) < 3, "three windows at most");
                    let window = Window(number, &there);
                    at(Hand::List, number)?;
                    if !hand_over(window) {
                        break;
                    }
                }
                Ok(())
            },
            |window: Window<'_>| at(Hand::Read, window.0).map(|()| window),
            |window: Window<'_>| {
                judged.push(window.0);
                at(Hand::Judge, window.0)
            },
        );
        assert_eq!(there.load(Ordering::SeqCst), 0, "nothing is left on the way");
        (judged, result)
    }

    #[test]
    fn windows_are_judged_in_the_order_in_which_they_were_listed() {
        for windows in [0, 1, 2, 3, 50] {
            assert_eq!(hand_on_all(windows, |_, _| Ok(())), ((0..windows).collect(), Ok(())));
        }
    }

    #[test]
    fn an_error_of_any_hand_ends_the_others_and_is_told() {
        for failing in HANDS {
            for number in [0, 1, 2, 7, 9] {
                let fails = |hand, at| if hand == failing && at == number { Err(hand) } else { Ok(()) };
                let (judged, result) = hand_on_all(10, fails);
                assert_eq!(result, Err(failing), "at {number}");
                let before = number + usize::from(failing == Hand::Judge);
                assert_eq!(judged, (0..before).collect::<Vec<_>>(), "{failing:?} at {number}");
            }
        }
    }

    #[test]
    fn a_panic_of_any_hand_ends_the_others_and_goes_on() {
        for failing in HANDS {
            for number in [0, 1, 2, 7, 9] {
                let panics = |hand, at| {
                    assert!(hand != failing || at != number, "this hand panics");
                    Ok(())
                };
                let outcome = catch_unwind(AssertUnwindSafe(|| hand_on_all(10, panics)));
                assert!(outcome.is_err(), "{failing:?} at {number}");
            }
        }
    }
}
