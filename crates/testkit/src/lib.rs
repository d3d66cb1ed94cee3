//! Helpers for tests.

pub mod authority;
pub mod corpus;
pub mod crashdisk;
pub mod dns_server;
pub mod dovecot;
pub mod files;
pub mod incident;
pub mod postfix;
pub mod process;
mod requirement;
pub mod sample;
pub mod segments;
pub mod served;
pub mod slowdisk;
pub mod smtp_server;
pub mod tls;
pub mod truth;
pub mod web;

pub use requirement::{file_named_by, has_programs, has_python, is_root};
