//! The one writer of a cell: transactions of the index, groups of deliveries, and what makes good after a failure.

use super::batch::Batch;
use super::replay::{Replay, catch_up, set_tail};
use super::{Delivered, MANIFEST_ZSTD_LEVEL, REMOVED, Result, Ticket, View, lock};
use crate::error::StoreError;
use crate::index::{rows, sqlite};
use crate::manifest::{AccountState, Manifest};
use crate::segment::log::{Log, Segments, write_file_again};
use crate::segment::record::{Kind, Payload};
use crate::served::{Images, Touched};
use crate::types::AccountId;
use message::Digest;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) log: Log,
    pub(super) cell: u32,
    pub(super) wal: PathBuf,
    /// Something failed half-way: what is in segment and index must be compared before anything else is written.
    pub(super) failed: bool,
}

pub(super) fn fail_all(group: &[Arc<Ticket>], error: StoreError) {
    let error = Arc::new(error);
    for ticket in group {
        lock(&ticket.done).get_or_insert_with(|| Err(StoreError::Write(error.clone())));
    }
}

impl Writer {
    pub(super) fn recover(&mut self, segments: &Segments) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.log.recover()?;
        // A failed sync of the WAL may have left a hole in it, behind which nothing would survive.
        write_file_again(segments.disk(), &self.wal)?;
        let mut findings = Vec::new();
        catch_up(&self.db, segments, self.cell, Replay::Deliveries, &mut findings)?;
        self.failed = false;
        Ok(())
    }

    pub(super) fn transact<T>(
        &mut self,
        durable: bool,
        body: impl FnOnce(&Connection, &mut Log) -> Result<T>,
    ) -> Result<T> {
        if durable {
            sqlite::full_sync(&self.db, true)?;
        }
        self.failed = true;
        let mut commit_failed = false;
        let result = (|| {
            let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
            match body(&tx, &mut self.log) {
                Ok(value) => {
                    let committed = tx.commit();
                    commit_failed = committed.is_err();
                    Ok(committed.map(|()| value)?)
                }
                Err(error) => tx.rollback().map_err(StoreError::from).and(Err(error)),
            }
        })();
        // A transaction that was rolled back whole leaves nothing to make good, unless it was at the disk already.
        self.failed = commit_failed || !self.db.is_autocommit();
        self.write_back();
        if durable {
            sqlite::full_sync(&self.db, false)?;
        }
        result
    }

    /// Writes the WAL back when that is due. A failure fails nobody: what was committed is in the WAL.
    fn write_back(&mut self) {
        if !self.failed && sqlite::write_back_if_due(&self.db).is_err_and(|e| !e.is_disk_full()) {
            self.failed = true;
        }
    }

    /// Delivers what a group asks for. Gives what that touched, which the images know already.
    pub(super) fn deliver(&mut self, group: &[Arc<Ticket>], images: &Images) -> Touched {
        self.failed = true;
        let touched = match self.try_deliver(group, images) {
            Ok(touched) => {
                self.failed = false;
                touched
            }
            Err(error) => {
                fail_all(group, error);
                Touched::default()
            }
        };
        self.write_back();
        touched
    }

    fn try_deliver(&mut self, group: &[Arc<Ticket>], images: &Images) -> Result<Touched> {
        let mut batch = Batch::default();
        let mut results: Vec<Result<Vec<Delivered>>> = Vec::with_capacity(group.len());
        for ticket in group {
            results.push(match batch.admit(&self.db, &ticket.deliveries) {
                Ok(plan) => Ok(batch.append(&mut self.log, &ticket.deliveries, plan)?),
                Err(error @ StoreError::Caller(_)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        let tail = self.log.commit()?;
        let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
        let mut touched = Touched::default();
        batch.note(&mut touched);
        batch.index(&tx)?;
        if let Some(tail) = tail {
            set_tail(&tx, tail)?;
        }
        images.begin(&touched);
        let committed = tx.commit();
        images.end(&touched, committed.is_ok());
        committed?;
        for (ticket, result) in group.iter().zip(results) {
            *lock(&ticket.done) = Some(result);
        }
        Ok(touched)
    }

    pub(super) fn append_manifests(&mut self, accounts: &[AccountId], segments: &Segments) -> Result<()> {
        let mut manifests = Vec::new();
        for id in accounts {
            let view = View { db: &self.db, segments };
            let Some(account) = rows::account_by_id(&self.db, *id)? else { continue };
            let state = Some(view.account_state(*id)?);
            manifests.push(Manifest { account: id.0, address: account.address, state });
        }
        self.append_other(|log| {
            for manifest in &manifests {
                append_manifest(log, manifest)?;
            }
            Ok(())
        })?;
        self.transact(false, |db, _| accounts.iter().try_for_each(|id| rows::set_manifest_due(db, *id, false)))
    }

    pub(super) fn append_removals(&mut self) -> Result<()> {
        let removed = rows::notes_like(&self.db, REMOVED)?;
        if removed.is_empty() {
            return Ok(());
        }
        self.append_other(|log| {
            for (name, id) in &removed {
                let account = id.parse().map_err(|_| StoreError::BadRow(format!("note {name:?}")))?;
                append_manifest(log, &Manifest { account, address: name[REMOVED.len()..].to_owned(), state: None })?;
            }
            Ok(())
        })?;
        self.transact(false, |db, _| removed.iter().try_for_each(|(name, _)| rows::delete_note(db, name)))
    }

    /// Appends records that are no deliveries, durably, and moves the tail behind them.
    pub(super) fn append_other(&mut self, append: impl FnOnce(&mut Log) -> Result<()>) -> Result<()> {
        self.failed = true;
        append(&mut self.log)?;
        let tail = self.log.commit()?;
        self.failed = false;
        self.transact(false, |db, _| tail.map_or(Ok(()), |tail| set_tail(db, tail)))
    }
}

fn append_manifest(log: &mut Log, manifest: &Manifest) -> Result<()> {
    let raw = manifest.state.as_ref().map(AccountState::encode).unwrap_or_default();
    let digest = Digest::from(blake3::hash(&raw));
    log.append(Kind::Manifest, digest, &Payload::pack(&raw, MANIFEST_ZSTD_LEVEL), &manifest.meta()).map(|_| ())
}
