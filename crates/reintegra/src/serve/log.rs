//! The log, on standard error. What goes into it is decided where it is said: never a password, never a message.

use super::config::{Log, LogFormat, LogLevel};
use std::panic::{Location, PanicHookInfo};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Begins to log. Once a process.
///
/// # Errors
/// When something logs already.
pub(crate) fn install(log: &Log) -> anyhow::Result<()> {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries log what they see, at times the bytes of a connection: only our own are listened to below a warning.
    let ours = [
        "reintegra",
        "edge",
        "imap",
        "pop3",
        "store",
        "directory",
        "smtp",
        "queue",
        "managesieve",
        "provenance",
        "dns",
        "acme",
    ];
    // What is wrong with other people's DNS is theirs to know, and as long as they like.
    let names = ["hickory_net", "hickory_resolver", "hickory_proto"];
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(ours.map(|ours| (ours, level)))
        .with_targets(names.map(|names| (names, LevelFilter::ERROR)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Says where a panic was and not what it said, which may be a piece of somebody's mail.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(Location::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    metrics::counter!("reintegra_panics_total").increment(1);
    tracing::error!(place, thread, "a mistake in the program was met: please report it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_without_what_it_says() {
        let lines = Lines::default();
        let to = lines.clone();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().json().with_writer(move || to.clone()));
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let panicked = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| panic!("byte 3 is inside the body of somebody's mail"))
        });
        std::panic::set_hook(usual);
        assert!(panicked.is_err());
        let written = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line: serde_json::Value = serde_json::from_slice(&written).expect("one object");
        let fields = &line["fields"];
        assert!(fields["place"].as_str().is_some_and(|place| place.contains("log.rs:")), "{line}");
        assert!(!line.to_string().contains("mail"), "{line}");
    }
}
