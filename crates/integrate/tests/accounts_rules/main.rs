//! Accounts, aliases, domains and conflicts of an integration, rule by rule (`RULES.md 6.4`, 7, 8).

#![allow(clippy::unwrap_used)]

mod decide;
mod resolve;
mod settle;
mod shared;
mod staging;
mod support;
mod truth;
