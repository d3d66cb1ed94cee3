//! Helpers for tests.

pub mod crashdisk;
pub mod dovecot;
pub mod files;
pub mod incident;
pub mod process;
mod requirement;
pub mod sample;
pub mod served;
pub mod truth;

pub use requirement::has_programs;
