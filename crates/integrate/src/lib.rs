//! Integration of two histories: stage, plan, apply, verify, undo; ledger and reports.

pub mod ledger;
pub mod plan;
pub mod report;
