//! Where the items of a message come from: the image, the cache, the bytes.

use super::items::{Item, Plan};
use super::opened::{Opened, leaves_more, piece};
use crate::answer::Refusal;
use crate::cache::{self, Kind, Values};
use crate::command::object_id;
use crate::syntax::{self, SectionText};
use edge::SignedIn;
use std::io::Write as _;
use std::sync::Arc;
use store::{Blob, BlobId, Image, Row};

/// Values that a batch of messages is told from.
pub(super) struct Batch {
    kinds: Vec<(Kind, Values)>,
    /// What is known of their bytes.
    known: Vec<Option<Blob>>,
}

impl Batch {
    /// The values that rows of the image are told from.
    pub(super) fn read(plan: &Plan, user: &SignedIn, image: &Image, indexes: &[usize]) -> Result<Self, Refusal> {
        let blobs: Vec<_> = indexes.iter().map(|&index| image.row(index).blob).collect();
        let at_once = |item: &Item| matches!(item, Item::Preview { lazy: false });
        let only_kept = |kind| kind == Kind::Preview && !plan.items.iter().any(at_once);
        let mut kinds = Vec::with_capacity(plan.kinds.len());
        for &kind in &plan.kinds {
            let mut values = Values::default();
            match only_kept(kind) {
                true => values.extend_with_kept(&user.cell, kind, &blobs),
                false => values.extend(&user.cell, kind, &blobs)?,
            }
            kinds.push((kind, values));
        }
        let known = if plan.digests || plan.bytes { cache::known(&user.cell, &blobs)? } else { Vec::new() };
        Ok(Batch { kinds, known })
    }
}

/// Why a message is left out.
pub(super) enum Skip {
    Damaged,
    Failed(Refusal),
}

impl From<store::StoreError> for Skip {
    fn from(error: store::StoreError) -> Self {
        Skip::Failed(error.into())
    }
}

/// Whether an item was written.
pub(super) enum Written {
    Yes,
    UnknownCte,
}

/// What telling of a message took.
#[derive(Default)]
pub(super) struct Effort {
    /// A piece of a text was asked for that does not reach its end, so that the client will come back.
    pub(super) more_pieces: bool,
    /// Bytes that were looked through or decoded, of which a client may hear few.
    pub(super) bytes: usize,
}

/// Where the items of a message come from.
pub(super) struct Source<'a> {
    pub(super) user: &'a SignedIn,
    pub(super) row: &'a Row<'a>,
    pub(super) batch: &'a Batch,
    /// Which of the batch it is.
    pub(super) at: usize,
    pub(super) opened: &'a mut Option<(BlobId, Arc<Opened>)>,
}

impl Source<'_> {
    fn cached(&self, kind: Kind) -> Result<&[u8], Skip> {
        let values = self.batch.kinds.iter().find(|(of, _)| *of == kind);
        values.and_then(|(_, values)| values.get(self.at)).ok_or(Skip::Damaged)
    }

    /// The message's bytes, read for the first item that needs them.
    fn opened(&mut self) -> Result<Arc<Opened>, Skip> {
        if let Some((_, opened)) = self.opened.as_ref().filter(|(blob, _)| *blob == self.row.blob) {
            return Ok(opened.clone());
        }
        // Two messages are never held at once.
        *self.opened = None;
        let known = self.batch.known.get(self.at).and_then(Option::as_ref);
        let bytes = cache::read_known(&self.user.cell, self.row.blob, known)?.ok_or(Skip::Damaged)?;
        let opened = Arc::new(Opened::new(bytes));
        *self.opened = Some((self.row.blob, opened.clone()));
        Ok(opened)
    }

    /// Writes an item, and adds to the effort.
    ///
    /// # Errors
    /// When the message is to be left out.
    pub(super) fn write(&mut self, item: &Item, effort: &mut Effort, out: &mut Vec<u8>) -> Result<Written, Skip> {
        let row = self.row;
        match item {
            Item::Flags => syntax::write_fetch_flags(out, row.flags, row.keywords),
            Item::Uid => syntax::write_fetch_uid(out, row.uid),
            Item::ModSeq => syntax::write_fetch_modseq(out, row.modseq),
            Item::Size => put(out, format_args!("RFC822.SIZE {}", row.size_bytes)),
            Item::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                syntax::write_date_time(out, row.internal_date);
            }
            Item::SaveDate => {
                out.extend_from_slice(b"SAVEDATE ");
                syntax::write_date_time(out, row.save_date);
            }
            Item::EmailId => {
                let blob = self.batch.known[self.at].as_ref().ok_or(Skip::Damaged)?;
                put(out, format_args!("EMAILID ({})", object_id::of_email(&blob.digest)));
            }
            Item::ThreadId => match object_id::of_thread(self.cached(Kind::Thread)?) {
                Some(id) => put(out, format_args!("THREADID ({id})")),
                None => out.extend_from_slice(b"THREADID NIL"),
            },
            Item::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                out.extend_from_slice(self.cached(Kind::Envelope)?);
            }
            Item::Body => {
                out.extend_from_slice(b"BODY ");
                out.extend_from_slice(cache::structure_forms(self.cached(Kind::Structure)?).0);
            }
            Item::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                out.extend_from_slice(cache::structure_forms(self.cached(Kind::Structure)?).1);
            }
            Item::Preview { lazy } => {
                out.extend_from_slice(b"PREVIEW ");
                match self.cached(Kind::Preview) {
                    Ok(preview) => out.extend_from_slice(preview),
                    Err(_) if *lazy => out.extend_from_slice(b"NIL"),
                    Err(skip) => return Err(skip),
                }
            }
            Item::Fields { label, names, partial } => {
                let header = self.cached(Kind::Header)?;
                effort.bytes += header.len();
                let fields = message::mime::header_fields(header, names, false);
                write_text(out, label, Some(piece(&fields, *partial)));
            }
            Item::Text { label, part, text, partial } => {
                let opened = self.opened()?;
                if matches!(text, SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)) {
                    let header = opened.text(part, &SectionText::Header);
                    effort.bytes += header.map_or(0, |header| header.len());
                }
                let text = opened.text(part, text);
                effort.more_pieces |= text.as_deref().is_some_and(|text| leaves_more(text, *partial));
                write_text(out, label, text.as_deref().map(|text| piece(text, *partial)));
            }
            Item::Binary { label, part, partial } => match self.opened()?.decoded(part) {
                None => write_text(out, label, None),
                Some(Err(_)) => return Ok(Written::UnknownCte),
                Some(Ok(data)) => {
                    effort.more_pieces |= leaves_more(&data, *partial);
                    effort.bytes += data.len();
                    write_data(out, label, piece(&data, *partial));
                }
            },
            Item::BinarySize { label, part } => {
                let size = match self.opened()?.decoded(part) {
                    None => 0,
                    Some(Err(_)) => return Ok(Written::UnknownCte),
                    Some(Ok(data)) => data.len(),
                };
                effort.bytes += size;
                out.extend_from_slice(label);
                put(out, format_args!(" {size}"));
            }
        }
        Ok(Written::Yes)
    }
}

/// Writes a text: `NIL` where there is none, else a literal, as clients have always got it.
fn write_text(out: &mut Vec<u8>, label: &[u8], text: Option<&[u8]>) {
    out.extend_from_slice(label);
    out.push(b' ');
    match text {
        None => out.extend_from_slice(b"NIL"),
        Some(text) => syntax::write_literal(out, text),
    }
}

/// Writes data: as a `literal8` where it holds a NUL (RFC 3516 §4.3).
fn write_data(out: &mut Vec<u8>, label: &[u8], data: &[u8]) {
    out.extend_from_slice(label);
    out.push(b' ');
    if memchr::memchr(0, data).is_some() {
        out.push(b'~');
    }
    syntax::write_literal(out, data);
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a buffer in memory takes everything");
}
