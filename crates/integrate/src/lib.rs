//! Integration of two histories: stage, plan, apply, verify, undo; ledger and reports.

pub mod accounts;
mod apply;
pub mod export;
mod flip;
mod integration;
mod joint;
mod journal;
pub mod ledger;
mod load;
mod mover;
mod over;
pub mod plan;
mod platform;
mod progress;
mod relations;
pub mod report;
mod reporting;
mod select;
mod set_aside;
pub mod stage;
mod steps;
mod store_source;
mod undo;
mod verify;

pub use apply::{Applied, apply, waiting};
pub use integration::{IntegrationError, Policies, Proved, Step, proved};
pub use mover::Mover;
pub use over::{Over, Scope, verify_over};
pub use platform::{Platform, PlatformError};
pub use progress::{Progress, Silent};
pub use reporting::{build_report, public_key, write_ledger};
pub use select::Selection;
pub use set_aside::export_maildir;
pub use steps::{
    Imported, Named, PlanCounts, PlanReport, PlannedAccount, PlannedMailbox, Undone, confirm, import, newest,
    plan_integration, set_policy, stage_integration, step, undo,
};
pub use store_source::open_source;
pub use verify::{Verified, verify};
