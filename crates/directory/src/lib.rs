//! Customers, domains, accounts, aliases, domain admins, credentials, DKIM keys, Sieve scripts with what they remember, and
//! the audit log, with the bookkeeping of integrations at the level of accounts.
//!
//! [`Directory`] is the entry. Reads are its methods; changes are methods of [`Tx`], inside [`Directory::write`]. It is
//! synchronous: callers in async code go through a blocking pool, which also bounds how many passwords are hashed at
//! once. Passwords and hashes are [`Secret`]: nothing here prints them.

mod account;
mod admin;
mod alias;
mod app_password;
mod audit;
mod check;
mod conflict;
mod directory;
mod dkim;
mod domain;
mod error;
mod ids;
mod integration;
mod lineage;
mod network;
pub mod password;
mod query;
mod scram;
mod script;
mod secret;
mod server_secret;
mod settings;
mod sieve_memory;
mod sign_in;
mod sql;
mod switch;

pub use account::{Account, AccountState, NewAccount, Pop3Before};
pub use admin::{AdminCredential, DomainAdmin, NewAdmin};
pub use alias::{Alias, AliasAddress};
pub use app_password::{AppPassword, LastUse, MAX_APP_PASSWORDS};
pub use audit::Audit;
pub use check::Problem;
pub use conflict::{Conflict, ConflictState, Decision, NewConflict};
pub use directory::{Directory, Tx, View};
pub use dkim::{DkimAlgorithm, DkimKey, DkimState, NewDkimKey, SigningKey};
pub use domain::{Customer, Domain, DomainAlias};
pub use error::{DirectoryError, ErrorClass};
pub use ids::{AccountId, AdminId, AppPasswordId, ConflictNumber, CustomerId, IntegrationId, LineageId};
pub use integration::{AccountApply, Integration, NewIntegration};
pub use lineage::{Lineage, LineageAccount, LineageAlias, LineageDomain, LineageNotice, LineageRole, LineageScript};
pub use network::{MAX_NETWORKS, NETWORK_KNOWN_S};
pub use query::UnknownWord;
pub use scram::{SCRAM_ITERATIONS, ScramCandidate, ScramChallenge};
pub use script::{Script, ScriptSize};
pub use secret::Secret;
pub use settings::Forward;
pub use sieve::settings::{Day, SettingsError, Vacation};
pub use sieve_memory::{MAX_SIEVE_MEMORY, SieveMemory, SieveMemoryId};
pub use sign_in::{Arrival, LAST_LOGIN_GRAIN_S, Proven, Refusal, SignIn};
