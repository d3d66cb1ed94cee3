//! What a session knows between commands.

use super::selected::{Heed, Selected};
use crate::answer::{Refusal, Status, say_status};
use crate::command::{self, notify::Registration};
use crate::syntax::{ParseContext, ResponseCode};
use edge::{Peer, Services, SignedIn};
use message::MailboxName;
use std::sync::Arc;

/// How many commands in a row that cannot be understood end a session: a client that talks another protocol (a browser,
/// a worm) stops here.
const BAD_COMMANDS_IN_A_ROW: u32 = 20;

/// How many before anyone is signed in.
const BAD_COMMANDS_BEFORE_SIGN_IN: u32 = 5;

/// What was switched on by ENABLE or by using it (RFC 5161, RFC 7162 §3.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enabled {
    /// FETCH responses tell MODSEQ.
    pub(crate) condstore: bool,
    /// VANISHED takes the place of EXPUNGE.
    pub(crate) qresync: bool,
    /// Names and strings are UTF-8 (RFC 6855).
    pub(crate) utf8: bool,
    /// IMAP4rev2: ESEARCH takes the place of SEARCH, and no RECENT (RFC 9051 appendix E).
    pub(crate) rev2: bool,
    /// No message sequence numbers (RFC 9586).
    pub(crate) uid_only: bool,
}

/// Whether messages may lose their numbers now (RFC 9051 §7.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expunges {
    /// They may: the running command names no sequence numbers.
    Told,
    /// They may not.
    Held,
}

/// When a client is told what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At the end of a command.
    Command,
    /// While it idles.
    Idle,
    /// While it does nothing: only NOTIFY tells then.
    Between,
}

/// The state that commands work on.
pub(crate) struct Core {
    pub(crate) services: Arc<Services>,
    pub(crate) peer: Peer,
    /// Whether STARTTLS is possible.
    pub(crate) can_start_tls: bool,
    /// Who is signed in.
    pub(crate) user: Option<Box<SignedIn>>,
    /// The mailbox that is open.
    pub(crate) selected: Option<Selected>,
    pub(crate) enabled: Enabled,
    /// What the client wants to hear unasked (RFC 5465).
    pub(crate) notify: Option<Box<Registration>>,
    /// Whether the running command lets messages lose their numbers.
    pub(crate) expunges: Expunges,
    /// The tag of the running command, for answers that name it (RFC 9051 §7.3.4, RFC 9585).
    pub(crate) tag: String,
    /// The message that the client fetches piece by piece, until it does something else.
    pub(crate) reading: Option<command::fetch::Held>,
    /// What the client said it is (RFC 2971), for the log.
    pub(crate) client: Option<String>,
    /// Whether DEFLATE is on.
    pub(crate) compressed: bool,
    /// The session ends with what was said last.
    pub(crate) closing: bool,
    bad_in_a_row: u32,
}

impl Core {
    pub(crate) fn new(services: Arc<Services>, peer: Peer, can_start_tls: bool) -> Self {
        Core {
            services,
            peer,
            can_start_tls,
            user: None,
            selected: None,
            enabled: Enabled::default(),
            notify: None,
            expunges: Expunges::Held,
            tag: String::new(),
            reading: None,
            client: None,
            compressed: false,
            closing: false,
            bad_in_a_row: 0,
        }
    }

    /// How strings of this client are to be read.
    pub(crate) fn parse_context(&self) -> ParseContext {
        let Enabled { utf8, rev2, uid_only, .. } = self.enabled;
        ParseContext { utf8: utf8 || rev2, rev2, uid_only }
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// When nobody is.
    pub(crate) fn user(&self) -> Result<&SignedIn, Refusal> {
        self.user.as_deref().ok_or_else(|| Refusal::bad("sign in first"))
    }

    /// The signed-in user and the open mailbox.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn selected(&mut self) -> Result<(&SignedIn, &mut Selected), Refusal> {
        let user = self.user.as_deref().ok_or_else(|| Refusal::bad("sign in first"))?;
        let selected = self.selected.as_mut().ok_or_else(|| Refusal::bad("select a mailbox first"))?;
        Ok((user, selected))
    }

    /// As [`Core::selected`], for commands that change messages.
    ///
    /// # Errors
    /// When no mailbox is open, or it is open for reading only.
    pub(crate) fn selected_writable(&mut self) -> Result<(&SignedIn, &mut Selected), Refusal> {
        if self.selected.as_ref().is_some_and(|selected| selected.read_only) {
            return Err(Refusal::no("the mailbox was opened for reading only"));
        }
        self.selected()
    }

    /// Whether an extension is offered to this user.
    pub(crate) fn offers(&self, capability: &str) -> bool {
        !self.user.as_ref().is_some_and(|user| user.switched_off.iter().any(|off| off == capability))
    }

    /// That an extension is offered to this user.
    ///
    /// # Errors
    /// When it was switched off for the account.
    pub(crate) fn require(&self, capability: &str) -> Result<(), Refusal> {
        match self.offers(capability) {
            true => Ok(()),
            false => Err(Refusal::bad(format!("{capability} is switched off for this account"))),
        }
    }

    /// Whether names of mailboxes are written in UTF-8 rather than in modified UTF-7.
    pub(crate) fn utf8_names(&self) -> bool {
        self.enabled.utf8 || self.enabled.rev2
    }

    /// The capabilities as they are now, for a greeting or the end of a sign-in.
    pub(crate) fn capability_code(&self) -> ResponseCode {
        ResponseCode::Capability(command::capability::list(self))
    }

    /// Notes that this session did something about a name, so that NOTIFY need not tell it (RFC 5465 §5).
    pub(crate) fn done_here(&mut self, name: &MailboxName) {
        if let Some(notify) = &mut self.notify {
            notify.done_here(name.as_str());
        }
    }

    /// Notes that this session changed annotations of the server.
    pub(crate) fn done_to_server(&mut self) {
        if let Some(notify) = &mut self.notify {
            notify.done_here("");
        }
    }

    /// Tells what happened since the client was told last: as far as the moment allows, and NOTIFY asks.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn tell_changes(&mut self, moment: Moment, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match moment {
            _ if self.notify.is_some() => command::notify::tell(self, moment, out),
            Moment::Command => self.catch_up(Heed::everything(self.expunges), out),
            Moment::Idle => self.catch_up(Heed::everything(Expunges::Told), out),
            Moment::Between => Ok(()),
        }
    }

    /// Tells what happened in the open mailbox.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn catch_up(&mut self, heed: Heed, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let (Some(user), Some(selected)) = (self.user.as_deref(), self.selected.as_mut()) else { return Ok(()) };
        if !selected.catch_up(user, self.enabled, heed, out)? {
            // Deleted or made anew by someone else: nothing that the client knows about it is true any more.
            self.selected = None;
            self.closing = true;
            say_status(out, None, &Status::bye("the mailbox is gone, or not the one that was opened"));
        }
        Ok(())
    }

    /// A command that succeeded makes up for those before it.
    pub(crate) fn forgive(&mut self) {
        self.bad_in_a_row = 0;
    }

    /// Counts a refused command; whether it was one too many.
    pub(crate) fn count_refusal(&mut self, refusal: &Refusal) -> bool {
        if !refusal.is_bad() {
            self.bad_in_a_row = 0;
            return false;
        }
        self.bad_in_a_row += 1;
        let limit = if self.user.is_some() { BAD_COMMANDS_IN_A_ROW } else { BAD_COMMANDS_BEFORE_SIGN_IN };
        self.bad_in_a_row > limit
    }
}
