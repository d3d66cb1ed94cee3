//! What a service is to be.

use crate::checks::{Provenance, Rspamd};
use crate::inspect::Structure;
use crate::parts::Parts;
use crate::rate::Rate;
use crate::script::Scripts;
use crate::signing::Keys;
use edge::Memory;
use message::Address;
use queue::Queue;
use std::sync::Arc;
use std::time::Duration;

/// Memory for messages that come in, where nobody says otherwise.
const MEMORY_BYTES: u64 = 512 * 1024 * 1024;

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Mail for hosted domains, from anybody.
    Mx,
    /// Mail of people who sign in, to anybody.
    Submission,
    /// Mail for hosted domains from another server that is trusted (RFC 2033).
    Lmtp,
}

/// What a service is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it is for.
    pub role: Role,
    /// How long is waited for what.
    pub times: Times,
    /// How much of what is taken.
    pub limits: Limits,
    /// What a message's structure may be.
    pub structure: Structure,
    /// Who gets mail to `postmaster` where nobody has that address (RFC 5321 §4.5.1).
    pub postmaster: Option<Address>,
    /// What brings mail elsewhere, and DSNs to those who ask for them (RFC 3461). Without it, mail for other servers is
    /// refused for now, and scripts neither send mail on nor answer it.
    pub queue: Option<Arc<Queue>>,
    /// Scripts of accounts that were read, over all services of one directory.
    pub scripts: Arc<Scripts>,
    /// The keys that domains sign with, over all services of one directory.
    pub keys: Arc<Keys>,
    /// On submission, whether From must name somebody whom the account may send as.
    pub own_authors: bool,
    /// On MX, what finds out whether mail is what it says it is (SPF, DKIM, DMARC, ARC).
    pub provenance: Option<Arc<Provenance>>,
    /// On MX, what is asked whether mail is wanted.
    pub rspamd: Option<Rspamd>,
    /// Limits of rates.
    pub rate: Option<Arc<dyn Rate>>,
    /// Memory for messages that come in, over all services that share it.
    pub memory: Arc<Memory>,
    /// What each network has of that memory.
    pub parts: Arc<Parts>,
}

impl Settings {
    /// The defaults for a role.
    pub fn new(role: Role) -> Self {
        Settings {
            role,
            times: Times::default(),
            limits: Limits::default(),
            structure: Structure::default(),
            postmaster: None,
            queue: None,
            scripts: Arc::default(),
            keys: Arc::default(),
            own_authors: true,
            provenance: None,
            rspamd: None,
            rate: None,
            memory: Memory::new(MEMORY_BYTES),
            parts: Arc::default(),
        }
    }
}

/// How long is waited for what (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long somebody who must wait for the greeting is listened to; with zero, who spoke already is found out.
    pub greeting: Duration,
    /// For a command.
    pub command: Duration,
    /// For more of a message.
    pub block: Duration,
    /// For all of a message.
    pub message: Duration,
    /// For the client to take something of a reply.
    pub unread: Duration,
    /// Until it is looked again whether whoever is signed in may stay.
    pub look_again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            greeting: Duration::ZERO,
            command: Duration::from_secs(300),
            block: Duration::from_secs(180),
            message: Duration::from_secs(3600),
            unread: Duration::from_secs(300),
            look_again: Duration::from_secs(60),
        }
    }
}

/// How much of what is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message, as SIZE says it.
    pub message_bytes: usize,
    /// The longest line of a message without its ending. RFC 5321 §4.5.3.1.6 has 998; many programs write longer ones.
    pub line_bytes: usize,
    /// Recipients of a message: RFC 5321 §4.5.3.1.8 has 100 at least.
    pub recipients: usize,
    /// Commands that a client may get wrong, recipients whom nobody knows among them, before the session ends.
    /// A message that came is a new beginning.
    pub mistakes: u32,
    /// Commands before a message must have come.
    pub idle_commands: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: 64 * 1024 * 1024,
            line_bytes: 64 * 1024,
            recipients: 1000,
            mistakes: 20,
            idle_commands: 2000,
        }
    }
}
