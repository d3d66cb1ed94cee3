//! What a served mailbox needs: pictures of it in memory, and changes by the rules of IMAP.
//!
//! **The rules of UID, UIDNEXT, UIDVALIDITY and MODSEQ** (RFC 9051 §2.3.1, RFC 7162 §3.1, `RULES.md` G11). Every change in
//! this folder keeps them; `check` tests them on what is stored, as far as what is stored can show them:
//!
//! 1. A UID of a mailbox is given once. It is below UIDNEXT, and UIDNEXT never goes down.
//! 2. A UID that named a message which is gone is remembered in `expunged`, with the identity that it named; no message
//!    has such a UID.
//! 3. A live mailbox has a UIDVALIDITY, above 0 and not above the highest that its account ever had. A mailbox that is
//!    made gets one above that highest, and so above every one that its name ever had, also under an earlier account.
//! 4. A mailbox keeps UIDVALIDITY and number when it is renamed, unless another mailbox of the account has or had the same
//!    UIDVALIDITY (as recovered ones may): it could come to a name that was served with it, and gets a new one.
//! 5. A change raises HIGHESTMODSEQ of every mailbox that it touches by one, and gives that to every message it touches
//!    there. So every live message and every expunged UID has a modification sequence, above 0 and not above
//!    HIGHESTMODSEQ, and what changed behind one is exactly what has a higher one.
//! 6. What would change nothing raises nothing.
//! 7. A subscription stands in its mailbox's row, and by name only where the account has no mailbox of that name. An
//!    annotation belongs to a mailbox that is there, or to the server.
//!
//! Messages that come into a mailbox, by copies and moves too, are deliveries: their records are in a segment before the
//! index knows them, so that not even the loss of the index makes a UID name something else. What else is done is durable
//! by the index's own commit; an account's manifest is not written for it.

mod image;
mod images;
mod mailboxes;
mod messages;
mod touched;

pub use image::{Counts, Image, Row};
pub(crate) use images::Images;
pub use images::Usage;
pub use mailboxes::{Created, Renamed};
pub(crate) use mailboxes::{SHARED, is_entry};
pub use messages::{Appended, Copied, Expunged, FlagChange, FlagMode, Moved, NewMessage, Replaced, Stored};
pub(crate) use touched::Touched;

use crate::cell::{Cell, Tx, View};
use crate::error::StoreError;
use crate::index::{rows, served};
use crate::types::{Account, AccountId, LIVE, Mailbox, MailboxId};

/// Keywords that a message may have: more than any client sets, and they are kept in memory.
pub const MAX_KEYWORDS: usize = 64;
/// Mailboxes that an account may have, and names that it may be subscribed to besides: a listing of them is one answer.
pub const MAX_MAILBOXES: usize = 10_000;
/// Annotations of a mailbox, or of the server for an account.
pub const MAX_ANNOTATIONS: usize = 200;
/// Length of an annotation's value.
pub const MAX_ANNOTATION_BYTES: usize = 64 << 10;

/// What was asked for cannot be, as things are. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The account has no such mailbox.
    #[error("there is no such mailbox")]
    NoSuchMailbox,
    /// The account has no mailbox to copy or move to.
    #[error("there is no such target mailbox")]
    NoSuchTarget,
    /// The mailbox has no such message.
    #[error("there is no such message")]
    NoSuchMessage,
    /// There is a mailbox of that name.
    #[error("there is a mailbox of that name")]
    AlreadyExists,
    /// INBOX is not deleted.
    #[error("INBOX cannot be deleted")]
    Inbox,
    /// A mailbox with inferiors is not deleted.
    #[error("the mailbox has inferiors")]
    HasChildren,
    /// A mailbox cannot become its own inferior.
    #[error("a mailbox cannot become its own inferior")]
    IntoItself,
    /// An inferior's new name would be too long.
    #[error("a name would be too long")]
    NameTooLong,
    /// Another mailbox has that special use.
    #[error("another mailbox has that special use")]
    SpecialUseTaken,
    /// The mailbox has no UIDs left.
    #[error("the mailbox has no UIDs left")]
    NoUidsLeft,
    /// The account had a mailbox with the highest UIDVALIDITY that there is.
    #[error("the account has no UIDVALIDITY left")]
    NoUidvalidityLeft,
    /// More than [`MAX_KEYWORDS`] keywords on a message.
    #[error("a message would have more than {MAX_KEYWORDS} keywords")]
    TooManyKeywords,
    /// More than [`MAX_MAILBOXES`] mailboxes or subscriptions.
    #[error("there would be more than {MAX_MAILBOXES} mailboxes or subscriptions")]
    TooManyMailboxes,
    /// An entry that is neither `/private/…` nor `/shared/…`, or no name of an entry (RFC 5464 §3).
    #[error("that is no name of an annotation")]
    BadEntry,
    /// More than [`MAX_ANNOTATIONS`] annotations.
    #[error("there would be more than {MAX_ANNOTATIONS} annotations")]
    TooManyAnnotations,
    /// A value of more than [`MAX_ANNOTATION_BYTES`].
    #[error("an annotation may have {MAX_ANNOTATION_BYTES} bytes")]
    AnnotationTooLarge,
}

/// What became of a change: done, or refused.
pub type Outcome<T> = Result<T, Refused>;

/// Why a change ends early.
enum Stop {
    Refused(Refused),
    Failed(StoreError),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Stop::Refused(refused)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Failed(error)
    }
}

impl Cell {
    /// One durable transaction, which a refusal takes back.
    fn serve<T>(&self, body: impl FnOnce(&Tx<'_>) -> Result<T, Stop>) -> Result<Outcome<T>, StoreError> {
        let mut refused = None;
        let result = self.write(|tx| {
            body(tx).map_err(|stop| match stop {
                Stop::Refused(why) => {
                    refused = Some(why);
                    StoreError::Caller(why.to_string())
                }
                Stop::Failed(error) => error,
            })
        });
        refused.map_or_else(|| result.map(Ok), |why| Ok(Err(why)))
    }
}

fn live_account(view: &View<'_>, account: AccountId) -> Result<Option<Account>, StoreError> {
    Ok(rows::account_by_id(view.db, account)?.filter(|a| a.lineage == LIVE))
}

/// A mailbox of a live account; hidden lineages are not served.
fn live_mailbox(view: &View<'_>, account: AccountId, mailbox: MailboxId) -> Result<Option<Mailbox>, StoreError> {
    match live_account(view, account)? {
        Some(_) => served::mailbox(view.db, account, mailbox),
        None => Ok(None),
    }
}
