//! Receiving mail: SMTP (RFC 5321) as the MX of hosted domains, message submission (RFC 6409, RFC 8314), and LMTP
//! (RFC 2033), with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING, ENHANCEDSTATUSCODES, STARTTLS, AUTH, REQUIRETLS and
//! LIMITS.
//!
//! Implementation notes.
//! * `session` knows no socket: lines and bytes come in, replies and what it waits for (`session::Next`) go out. The driver
//!   (`server`) asks directory and store for it on the blocking pool.
//! * A message ends at CR LF `.` CR LF and nowhere else. One that holds a CR or LF alone is refused (`data`), and the session
//!   with it, so that nothing behind it is obeyed. Commands end in CR LF too: anything else ends the session, as does a client
//!   that talks when it must listen.
//! * What anybody may have sent is looked at before it is anybody's (`checks`): SPF, DKIM, DMARC and ARC, and rspamd where
//!   there is one. What is unwanted goes to Junk. What people here send bears their own name and their domain's signature
//!   (`submit`).
//! * Who gets it is said by aliases at RCPT (`recipient`), and by the scripts of accounts when it has come (`script`): those
//!   file it, send it on, answer or refuse it. Forwarding is such a script.
//! * 250 to a message is said when it is durable in every mailbox that it goes to, and in the queue for everybody else
//!   (`deliver`). SMTP has one answer for all recipients: the message is delivered to all of them or refused for now. LMTP has
//!   one for each. What comes again is known again, and not done twice (`ids`).
//! * Whether somebody takes mail is said at RCPT, the quota with the size that MAIL declared. What was taken at RCPT is not
//!   refused for its quota behind DATA: an account can go over its quota by the messages then under way.
//! * DSN (RFC 3461) is offered where there is a queue; its parameters are 555 elsewhere. Who asks to hear of success in a
//!   mailbox here hears it from the queue, which then delivers there ([`Local`]).
//! * Without a queue nothing leaves: a recipient that leads to another server is refused for now, and what scripts would send
//!   on stays.
//! * BINARYMIME is not offered.

mod answer;
mod boxes;
mod checks;
mod data;
mod deliver;
mod ids;
mod inspect;
mod local;
mod parts;
mod rate;
mod rates;
mod recipient;
mod script;
mod server;
mod session;
mod settings;
mod signing;
mod submit;
mod syntax;
mod trace;

pub use checks::{OnFailure, Provenance, Rspamd};
pub use inspect::Structure;
pub use local::Local;
pub use parts::Parts;
pub use rate::{Answer, Event, Rate};
pub use rates::{RateLimits, Rates};
pub use script::Scripts;
pub use server::serve;
pub use settings::{Limits, Role, Settings, Times};
pub use signing::Keys;
