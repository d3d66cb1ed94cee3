//! Provenance against a DNS server of the test's own: published vectors, whole stories, and hostile mail.

#![allow(clippy::unwrap_used)]

mod hostile;
mod openspf;
mod property;
mod story;
mod suite;
mod world;
