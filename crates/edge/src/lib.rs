//! The network edge that every protocol shares: who asks, whether they may, over what, and how much at once.
//!
//! A protocol's driver is given [`Connection`](listen::Connection)s by [`listen::run`], asks [`Services`] what it needs, lets
//! people in through [`Admission`], and hears of changes from the [`Hub`]. The core below is synchronous: it is called
//! through [`Services::run`], which bounds how much of it runs at once.
//!
//! # Implementation notes
//! * Guessing is counted where it comes from, never against the account alone, so that nobody can lock an owner out; see
//!   [`admission`].
//! * Passwords are hashed a few at a time, on permits of their own: sign-ins wait for one another, and nobody who is in
//!   waits for them.
//! * No account has more than its share of those calls and of the memory for what comes in, and no cell among several more
//!   than half of the calls: what is slow or greedy is slow for itself.
//! * Nothing here logs a password, a hash, or a login that names nobody (people type passwords into the wrong field).

pub mod admission;
mod blocking;
mod dialogue;
#[cfg(test)]
mod fixture;
mod hub;
pub mod listen;
mod memory;
mod peer;
mod reference;
pub mod sasl;
mod services;
mod shutdown;
mod stream;
pub mod tls;

pub use admission::{Admission, SignInError};
pub use blocking::Blocking;
pub use dialogue::{ANSWER_BYTES, Dialogue, WaitError};
pub use hub::{Hub, Watch};
pub use memory::{Memory, Reservation};
pub use peer::{ChannelBinding, Network, Networks, Peer, Protocol};
pub use reference::{Reference, causes};
pub use services::{CellHandle, Policy, ScramOffer, Services, SignedIn};
pub use shutdown::{Shutdown, Stop};
pub use stream::Stream;
