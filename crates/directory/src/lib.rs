//! Customers, domains, accounts, aliases, domain admins, credentials, Sieve scripts and the audit log, with the
//! bookkeeping of integrations at the level of accounts.
//!
//! [`Directory`] is the entry. Reads are its methods; changes are methods of [`Tx`], inside [`Directory::write`]. It is
//! synchronous: callers in async code go through a blocking pool, which also bounds how many passwords are hashed at
//! once. Passwords and hashes are [`Secret`]: nothing here prints them.

mod account;
mod admin;
mod alias;
mod audit;
mod check;
mod conflict;
mod directory;
mod domain;
mod error;
mod ids;
mod integration;
mod lineage;
pub mod password;
mod query;
mod script;
mod secret;
mod sign_in;
mod sql;

pub use account::{Account, AccountState, Forward, NewAccount, Pop3Before};
pub use admin::{AdminCredential, DomainAdmin, NewAdmin};
pub use alias::{Alias, AliasAddress};
pub use audit::Audit;
pub use check::Problem;
pub use conflict::{Conflict, ConflictState, Decision, NewConflict};
pub use directory::{Directory, Tx};
pub use domain::{Customer, Domain, DomainAlias};
pub use error::{DirectoryError, ErrorClass};
pub use ids::{AccountId, AdminId, ConflictNumber, CustomerId, IntegrationId, LineageId};
pub use integration::{AccountApply, Integration, NewIntegration};
pub use lineage::{Lineage, LineageAccount, LineageAlias, LineageDomain, LineageNotice, LineageRole, LineageScript};
pub use query::UnknownWord;
pub use script::Script;
pub use secret::Secret;
pub use sign_in::{LAST_LOGIN_GRAIN_S, Refusal, SignIn};
