//! The directory as its callers see it: every operation, over a real file, each test ending with the full check.

#![allow(clippy::unwrap_used)]

mod accounts;
mod addresses;
mod admins;
mod audit;
mod bookkeeping;
mod check;
mod credentials;
mod mail;
mod open;
mod password;
mod sign_in;

use directory::{AccountId, Directory, Domain, NewAccount};
use message::Address;
use std::cell::Cell;
use tempfile::TempDir;

/// A directory in a directory of its own, with the domain `example.org`, at a time that the test sets.
struct Fixture {
    directory: Directory,
    place: TempDir,
}

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1_373_328_000) };
}

fn now() -> i64 {
    NOW.get()
}

fn set_now(at: i64) {
    NOW.set(at);
}

impl Fixture {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = open(&place);
        directory.write(|tx| tx.add_domain(&domain("example.org"))).unwrap();
        Fixture { directory, place }
    }

    /// Closes the directory and opens it again.
    fn reopen(self) -> Self {
        let Fixture { directory, place } = self;
        drop(directory);
        Fixture { directory: open(&place), place }
    }

    fn add(&self, address_text: &str) -> AccountId {
        self.directory.write(|tx| tx.add_account(&NewAccount::new(address(address_text)))).unwrap()
    }

    /// A connection that goes round the directory, as damage does.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.place.path().join("directory.db")).unwrap()
    }
}

fn open(place: &TempDir) -> Directory {
    Directory::open(&place.path().join("directory.db"), None).unwrap().with_clock(now)
}

fn domain(name: &str) -> Domain {
    Domain { name: name.to_owned(), customer_id: None, disabled: false, created_at: 1_200_000_000 }
}

fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// What a `for_each_…` gives, as a list.
macro_rules! collect {
    ($on:expr, $name:ident $(, $arg:expr)*) => {{
        let mut list = Vec::new();
        $on.$name($($arg,)* |row| { list.push(row); Ok(()) }).unwrap();
        list
    }};
}
pub(crate) use collect;
