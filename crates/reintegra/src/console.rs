//! Standard error: how long steps go, notes, errors.
//!
//! On a terminal a bar; elsewhere a line every ten seconds, so that a log of a long night stays readable. What a step
//! tells of itself is counted in atomics, and one thread draws: a step never waits for a terminal.

use crate::figures::{Count, Size, Took};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use integrate::Progress;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// No answer to a question is longer.
const MAX_ANSWER_BYTES: u64 = 100;
/// Before this, a rate says nothing about what is left.
const RATE_AFTER: Duration = Duration::from_secs(1);

/// Where progress and notes go.
pub(crate) struct Console {
    terminal: bool,
    running: Arc<Running>,
    steps: Mutex<Vec<Timed>>,
}

/// A step that is done.
pub(crate) struct Done<T> {
    /// What it gave.
    pub(crate) value: T,
    /// How long it took.
    pub(crate) took: Took,
}

/// How long a step, or a part of one (`import/stage`), took, as `--timings` writes it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timed {
    step: String,
    seconds: f64,
    messages: u64,
    bytes: u64,
}

/// The step under way, as it tells of itself.
#[derive(Default)]
struct Running {
    found: Amount,
    done: Amount,
    part: Mutex<Option<Part>>,
    ended: Mutex<Vec<Timed>>,
}

/// What the step does at the moment, and what of the counts belongs to what it did before that.
struct Part {
    name: String,
    began: Instant,
    found_before: (u64, u64),
    done_before: (u64, u64),
}

#[derive(Default)]
struct Amount {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// Draws until it is dropped.
struct Drawing {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Console {
    /// The process's own.
    pub(crate) fn stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Console { terminal: io::stderr().is_terminal() && !dumb, running: Arc::default(), steps: Mutex::default() }
    }

    /// Runs a step, shows how it goes, and remembers how long it took.
    ///
    /// # Errors
    /// Those of the step.
    pub(crate) fn step<T, E>(
        &self,
        name: &'static str,
        work: impl FnOnce(&dyn Progress) -> Result<T, E>,
    ) -> Result<Done<T>, E> {
        self.running.reset();
        self.begin(name);
        let drawing = Drawing::start(self.running.clone(), self.terminal);
        let began = Instant::now();
        let result = work(self);
        let took = began.elapsed();
        self.end();
        drop(drawing);
        let value = result?;
        let parts = std::mem::take(&mut *lock(&self.running.ended));
        // Parts go over the same messages again.
        let messages = parts.iter().map(|p| p.messages).max().unwrap_or(0);
        let bytes = parts.iter().map(|p| p.bytes).max().unwrap_or(0);
        let mut steps = lock(&self.steps);
        steps.push(Timed { step: name.to_owned(), seconds: took.as_secs_f64(), messages, bytes });
        let parts = parts.into_iter().filter(|p| p.step != name);
        steps.extend(parts.map(|p| Timed { step: format!("{name}/{}", p.step), ..p }));
        Ok(Done { value, took: Took(took) })
    }

    /// Says something that is no result.
    pub(crate) fn note(&self, text: impl Display) {
        say(text);
    }

    /// Whether there is somebody to ask.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a person; anything but yes is no.
    pub(crate) fn ask(&self, question: &str) -> bool {
        let mut stderr = io::stderr();
        let mut answer = String::new();
        let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let heard = asked.and_then(|()| io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer));
        heard.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
    }

    /// The steps so far.
    pub(crate) fn steps(&self) -> Vec<Timed> {
        lock(&self.steps).clone()
    }
}

/// Writes a line to standard error. Where nobody reads it there is nobody to tell either.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Progress for Console {
    fn begin(&self, step: &str) {
        self.end();
        let running = &self.running;
        let (found_before, done_before) = (running.found.get(), running.done.get());
        let part = Part { name: step.to_owned(), began: Instant::now(), found_before, done_before };
        *lock(&running.part) = Some(part);
    }

    fn found(&self, messages: u64, bytes: u64) {
        self.running.found.add(messages, bytes);
    }

    fn done(&self, messages: u64, bytes: u64) {
        self.running.done.add(messages, bytes);
    }

    fn end(&self) {
        let Some(figures) = self.running.figures() else { return };
        *lock(&self.running.part) = None;
        let Figures { name, elapsed, done: (messages, bytes), .. } = figures;
        let timed = Timed { step: name, seconds: elapsed.as_secs_f64(), messages, bytes };
        lock(&self.running.ended).push(timed);
    }
}

impl Running {
    fn reset(&self) {
        for amount in [&self.found, &self.done] {
            amount.messages.store(0, Ordering::Relaxed);
            amount.bytes.store(0, Ordering::Relaxed);
        }
        lock(&self.ended).clear();
    }

    fn figures(&self) -> Option<Figures> {
        let part = lock(&self.part);
        let part = part.as_ref()?;
        let since = |now: (u64, u64), before: (u64, u64)| (now.0 - before.0, now.1 - before.1);
        Some(Figures {
            name: part.name.clone(),
            elapsed: part.began.elapsed(),
            found: since(self.found.get(), part.found_before),
            done: since(self.done.get(), part.done_before),
        })
    }
}

impl Amount {
    fn add(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl Drawing {
    fn start(running: Arc<Running>, terminal: bool) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = stop.clone();
        let draw = move || if terminal { draw_bar(&running, &stopped) } else { write_lines(&running, &stopped) };
        // Without a thread the step goes on unseen.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(draw).ok();
        Drawing { stop, thread }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the drawing is no failure of the step.
            let _ = thread.join();
        }
    }
}

/// Waits for the next drawing; `false`: that was the last.
fn wait(stop: &(Mutex<bool>, Condvar), how_long: Duration) -> bool {
    let stopped = lock(&stop.0);
    let waited = stop.1.wait_timeout_while(stopped, how_long, |stopped| !*stopped);
    !*waited.unwrap_or_else(PoisonError::into_inner).0
}

fn draw_bar(running: &Running, stop: &(Mutex<bool>, Condvar)) {
    let style = |template| ProgressStyle::with_template(template).expect("the template is well-formed");
    let (known, unknown) = (style("{prefix} {bar:24} {msg}").progress_chars("=> "), style("{prefix} {msg}"));
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    while wait(stop, DRAWN_EVERY) {
        let Some(figures) = running.figures() else { continue };
        let (done, total) = figures.share();
        bar.set_style(if total > 0 { known.clone() } else { unknown.clone() });
        bar.set_length(total.max(done));
        bar.set_position(done);
        bar.set_prefix(figures.name.clone());
        bar.set_message(figures.text());
        bar.tick();
    }
    bar.finish_and_clear();
}

fn write_lines(running: &Running, stop: &(Mutex<bool>, Condvar)) {
    while wait(stop, LINE_EVERY) {
        if let Some(figures) = running.figures() {
            say(format_args!("{}: {}", figures.name, figures.text()));
        }
    }
}

/// How a step goes at one moment; pairs are messages and bytes.
struct Figures {
    name: String,
    elapsed: Duration,
    found: (u64, u64),
    done: (u64, u64),
}

impl Figures {
    /// What is done of what is known to be to do: bytes where they are known, since a message may be of any size.
    fn share(&self) -> (u64, u64) {
        if self.found.1 > 0 { (self.done.1, self.found.1) } else { (self.done.0, self.found.0) }
    }

    fn text(&self) -> String {
        if (self.found, self.done) == ((0, 0), (0, 0)) {
            return Took(self.elapsed).to_string();
        }
        let of = |total: u64, text: String| if total > 0 { format!(" of {text}") } else { String::new() };
        let mut parts =
            vec![format!("{}{} messages", Count(self.done.0), of(self.found.0, Count(self.found.0).to_string()))];
        if self.found.1 > 0 || self.done.1 > 0 {
            parts.push(format!("{}{}", Size(self.done.1), of(self.found.1, Size(self.found.1).to_string())));
        }
        let (done, total) = self.share();
        if self.elapsed >= RATE_AFTER && done > 0 {
            let per_second = |amount: u64| (amount as f64 / self.elapsed.as_secs_f64()) as u64;
            parts.push(match self.done.1 {
                0 => format!("{}/s", Count(per_second(self.done.0))),
                bytes => format!("{}/s", Size(per_second(bytes))),
            });
            if let Some(left) = total.checked_sub(done).filter(|left| *left > 0) {
                let seconds = left as f64 / done as f64 * self.elapsed.as_secs_f64();
                parts.push(format!("{} left", Took(Duration::from_secs_f64(seconds.min(1e9)))));
            }
        }
        parts.join(", ")
    }
}

/// Locks also after a panic elsewhere: what is behind these locks is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::{Console, Figures, Running};
    use integrate::Progress as _;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    fn figures(found: (u64, u64), done: (u64, u64), seconds: u64) -> Figures {
        Figures { name: "stage".to_owned(), elapsed: Duration::from_secs(seconds), found, done }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let text = figures((20_000, 873_000_000), (12_000, 512_000_000), 4).text();
        assert_eq!(text, "12,000 of 20,000 messages, 512 MB of 873 MB, 128 MB/s, 2.8 s left");
        let text = figures((20_000, 0), (5_000, 0), 10).text();
        assert_eq!(text, "5,000 of 20,000 messages, 500/s, 30.0 s left");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(figures((0, 0), (0, 0), 9).text(), "9.0 s");
        assert_eq!(figures((0, 0), (7, 0), 0).text(), "7 messages");
        assert_eq!(figures((5, 0), (7, 0), 7).text(), "7 of 5 messages, 1/s");
    }

    fn console() -> Console {
        Console { terminal: false, running: Arc::default(), steps: Mutex::default() }
    }

    #[test]
    fn a_step_is_timed_with_what_it_did() {
        let console = console();
        let step = console.step("apply", |progress| {
            progress.found(3, 0);
            progress.done(2, 10);
            progress.done(1, 5);
            Ok::<_, Infallible>(7)
        });
        assert_eq!(step.unwrap().value, 7);
        assert!(console.step("verify", |_| Err::<(), _>("broken")).is_err());
        let steps = console.steps();
        assert_eq!(steps.len(), 1, "what failed took no time worth telling");
        assert_eq!((steps[0].step.as_str(), steps[0].messages, steps[0].bytes), ("apply", 3, 15));
    }

    #[test]
    fn parts_of_a_step_are_timed_beside_the_whole() {
        let console = console();
        let step = console.step("import", |progress| {
            progress.begin("stage");
            progress.done(5, 100);
            progress.end();
            progress.begin("apply");
            progress.done(5, 0);
            Ok::<_, Infallible>(())
        });
        assert!(step.is_ok());
        let told: Vec<_> = console.steps().into_iter().map(|t| (t.step, t.messages, t.bytes)).collect();
        let parts = [("import", 5, 100), ("import/stage", 5, 100), ("import/apply", 5, 0)];
        assert_eq!(told, parts.map(|(step, messages, bytes)| (step.to_owned(), messages, bytes)));
    }

    #[test]
    fn each_part_of_a_step_is_shown_from_its_own_beginning() {
        let console = console();
        console.begin("one");
        console.found(10, 0);
        console.done(10, 0);
        console.begin("two");
        console.found(4, 0);
        console.done(1, 0);
        let figures = Running::figures(&console.running).unwrap();
        assert_eq!((figures.name.as_str(), figures.done, figures.found), ("two", (1, 0), (4, 0)));
        console.end();
        assert!(Running::figures(&console.running).is_none());
    }
}
