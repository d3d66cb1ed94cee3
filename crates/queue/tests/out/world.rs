//! What a test needs around a delivery: settings for loopback, jobs, certificates.

use dns::{Config, Dnssec, Resolver};
use edge::tls::client::Roots;
use queue::{Addressee, Deliver, Job, Outgoing, OutgoingSettings, Said, Times, TlsRecorder, Verdict};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::spool::{Envelope, Notify, Purpose, QueueId, TlsOutcome};
pub(crate) use testkit::authority::{Authority, Certified};

/// The domain whose mail goes to 127.0.0.1, without DNS.
pub(crate) const LITERAL: &str = "[127.0.0.1]";

/// Settings that reach a port of loopback, with short waits, and with nobody to ask for names.
pub(crate) fn settings(port: u16) -> OutgoingSettings {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    with_resolver(port, Resolver::new(&Config::new(vec![nobody], Dnssec::Off)).unwrap())
}

pub(crate) fn with_resolver(port: u16, resolver: Resolver) -> OutgoingSettings {
    let mut settings = OutgoingSettings::new(resolver, "out.example.org");
    settings.private_addresses = true;
    settings.port = port;
    settings.times = times();
    settings.roots = Roots::of([rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap().cert.der().clone()]);
    settings
}

/// Waits that are long for a server on this machine, however busy it is.
pub(crate) fn times() -> Times {
    let s = Duration::from_secs;
    Times { connect: s(20), greeting: s(20), command: s(20), handshake: s(20), quit: s(2), ..Times::default() }
}

/// Waits for servers that never answer.
pub(crate) fn short_times() -> Times {
    let ms = Duration::from_millis(700);
    Times {
        connect: ms,
        greeting: ms,
        command: ms,
        handshake: ms,
        mail: ms,
        recipient: ms,
        data: ms,
        block: ms,
        end: ms,
        quit: ms,
        before_message: Duration::from_secs(20),
    }
}

pub(crate) const MESSAGE: &str = "From: ana@example.org\r\nSubject: hello\r\n\r\n.dots\r\n..\r\nbye\r\n";

pub(crate) fn envelope() -> Envelope {
    Envelope {
        reverse_path: "ana@example.org".to_owned(),
        purpose: Purpose::Submission,
        account: None,
        envelope_id: None,
        returns: None,
        smtputf8: false,
        require_tls: false,
        arrived_s: 0,
        expires_s: i64::MAX,
    }
}

pub(crate) fn addressee(number: u32, address: &str) -> Addressee {
    Addressee { number, address: address.to_owned(), notify: Notify::DEFAULT, original: None }
}

pub(crate) fn job(hop: &str, recipients: &[&str]) -> Job {
    let recipients = recipients.iter().zip(0..).map(|(address, number)| addressee(number, address)).collect();
    Job {
        id: QueueId::unchecked(1),
        hop: hop.to_owned(),
        envelope: Arc::new(envelope()),
        message: Arc::new(MESSAGE.as_bytes().to_vec()),
        recipients,
    }
}

/// A job whose envelope is changed.
pub(crate) fn job_with(hop: &str, recipients: &[&str], change: impl FnOnce(&mut Envelope)) -> Job {
    let mut job = job(hop, recipients);
    change(Arc::make_mut(&mut job.envelope));
    job
}

/// Delivers one job with fresh settings.
pub(crate) async fn deliver(settings: OutgoingSettings, job: Job) -> Vec<Verdict> {
    Outgoing::new(settings).unwrap().deliver(job).await
}

/// What a verdict is, in few words.
pub(crate) fn word(verdict: &Verdict) -> String {
    let (word, said) = match verdict {
        Verdict::Relayed { said, .. } => ("relayed", said),
        Verdict::Later(said) => ("later", said),
        Verdict::Never(said) => ("never", said),
        Verdict::Delivered => return "delivered".to_owned(),
    };
    let (class, subject, detail) = said.status;
    format!("{word} {class}.{subject}.{detail}")
}

pub(crate) fn words(verdicts: &[Verdict]) -> Vec<String> {
    verdicts.iter().map(word).collect()
}

pub(crate) fn said(verdict: &Verdict) -> &Said {
    match verdict {
        Verdict::Relayed { said, .. } | Verdict::Later(said) | Verdict::Never(said) => said,
        Verdict::Delivered => panic!("nothing was said"),
    }
}

/// What believes an authority of a test's.
pub(crate) fn roots(authority: &Authority) -> Roots {
    Roots::of([authority.der()])
}

/// Keeps what it hears.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<TlsOutcome>>);

impl Heard {
    pub(crate) fn all(&self) -> Vec<TlsOutcome> {
        self.0.lock().unwrap().clone()
    }
}

impl TlsRecorder for Heard {
    fn record(&self, outcome: TlsOutcome) {
        self.0.lock().unwrap().push(outcome);
    }
}
