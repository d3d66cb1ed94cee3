//! What the writer of a cell writes: groups of deliveries, and the states of accounts.

use super::batch::Batch;
use super::{Delivered, MANIFEST_ZSTD_LEVEL, REMOVED, Result, Ticket, View};
use crate::catch_up::set_tail;
use crate::error::StoreError;
use crate::group::fail_all;
use crate::index::rows;
use crate::manifest::{AccountState, Manifest};
use crate::segment::log::{Log, Segments};
use crate::segment::payload::Payload;
use crate::segment::record::Kind;
use crate::served::{Images, Touched};
use crate::types::{AccountId, Place};
use crate::writer::Writer;
use message::Digest;
use std::sync::Arc;

impl Writer {
    /// Delivers what a group asks for. Gives what that touched, which the images know already.
    pub(super) fn deliver(&mut self, group: &[Arc<Ticket>], segments: &Segments, images: &Images) -> Touched {
        self.failed = true;
        let touched = match self.try_deliver(group, segments, images) {
            Ok((touched, healed)) => {
                self.failed = false;
                healed.iter().for_each(|place| segments.damaged.forget(*place));
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

    /// Gives also which records were damaged whose bytes came anew.
    fn try_deliver(
        &mut self,
        group: &[Arc<Ticket>],
        segments: &Segments,
        images: &Images,
    ) -> Result<(Touched, Vec<Place>)> {
        let mut batch = Batch::default();
        let mut results: Vec<Result<Vec<Delivered>>> = Vec::with_capacity(group.len());
        for ticket in group {
            results.push(match batch.admit(&self.db, segments, &ticket.asked) {
                Ok(plan) => Ok(batch.append(&mut self.log, &ticket.asked, plan)?),
                Err(error @ StoreError::Caller(_)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        let tail = self.log.commit()?;
        let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
        let mut touched = Touched::default();
        batch.note(&mut touched);
        let healed = batch.healed();
        batch.index(&tx, segments)?;
        if let Some(tail) = tail {
            set_tail(&tx, tail)?;
        }
        images.begin(&touched);
        let committed = tx.commit();
        images.end(&touched, committed.is_ok());
        committed?;
        for (ticket, result) in group.iter().zip(results) {
            ticket.answer(result);
        }
        Ok((touched, healed))
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
        let ((), tail) = self.append(append)?;
        self.transact(false, |db, _| tail.map_or(Ok(()), |tail| set_tail(db, tail)))
    }
}

fn append_manifest(log: &mut Log, manifest: &Manifest) -> Result<()> {
    let raw = manifest.state.as_ref().map(AccountState::encode).unwrap_or_default();
    let digest = Digest::from(blake3::hash(&raw));
    log.append(Kind::Manifest, digest, &Payload::pack(&raw, MANIFEST_ZSTD_LEVEL), &manifest.meta()).map(|_| ())
}
