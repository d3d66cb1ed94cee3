//! The store attacked: random operations against a model, power cuts, failing disks, damage, crowds and extremes.
//! Every test that writes ends with the full check.
#![allow(clippy::unwrap_used)]

mod beside;
mod crowd;
mod damage;
mod derived;
mod extremes;
mod failing_disk;
mod format;
mod heal;
mod model;
mod power_cut;
mod rebuild;
mod repeats;
mod scenario;
mod served;
mod spool;
mod support;
mod sweep;
mod upgrade;
