//! Fills the queue of a data directory with messages that wait, for measuring: `fill_queue DIR COUNT`. They are due in a
//! day, for a thousand domains.

use queue::{Queue, QueueSettings, recipient};
use std::path::PathBuf;
use std::sync::Arc;
use store::OpenOptions;
use store::spool::{Purpose, Spool};

/// Messages that are made durable together.
const AT_ONCE: usize = 1000;
const DOMAINS: usize = 1000;
const DAY_S: i64 = 86_400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("fill_queue DIR COUNT".into());
    };
    let directory = PathBuf::from(directory).join("queue");
    let count: usize = count.to_str().ok_or("COUNT is no number")?.parse()?;
    let spool = Arc::new(Spool::open(&directory, OpenOptions::for_purpose("fill_queue"))?);
    let queue = Queue::new(spool.clone(), QueueSettings::new("mail.example.org"));
    for first in (0..count).step_by(AT_ONCE) {
        let mail = (first..count.min(first + AT_ONCE)).map(|number| {
            let to = format!("user{number}@d{}.example.net", number % DOMAINS);
            let message = format!(
                "From: sender@example.org\r\nMessage-ID: <{number}@example.org>\r\nSubject: no. {number}\r\n\r\n{}",
                "Hola a todos.\r\n".repeat(number % 40)
            );
            let envelope = queue.envelope(Purpose::Submission, "sender@example.org");
            let recipients = recipient(&to).into_iter().collect();
            let mut mail = Queue::mail(None, envelope, recipients, message.as_bytes());
            mail.due_s += DAY_S;
            mail
        });
        queue.put(mail.collect())?;
    }
    spool.close()?;
    Ok(())
}
