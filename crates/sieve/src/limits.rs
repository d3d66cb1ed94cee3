//! What a script may use, each bound with its reason. Scripts are written by users, and by whoever has their password.

/// The longest script, in bytes: generated block lists reach some hundred kilobytes.
pub const MAX_SCRIPT_BYTES: usize = 1024 * 1024;

/// How deep blocks may be nested, and tests within a command: nobody writes ten, and each level takes stack.
pub const MAX_NESTING: usize = 32;

/// How many errors of one script are told: a person mends the first few and tries again.
pub const MAX_ERRORS: usize = 20;

/// How many actions one message may cause: RFC 5228 §2.10.4 leaves it to us, and a mailbox is rarely chosen twice.
pub const MAX_ACTIONS: usize = 32;

/// How many redirects one message may cause: each is a message sent, so this is by how much a script can multiply mail.
pub const MAX_REDIRECTS: usize = 4;

/// How often one run may change the header: a script that tidies up does so some dozen times.
pub const MAX_HEADER_EDITS: usize = 100;

/// How many bytes of header one run may add, as they are written. RFC 5293 §4 asks for 998 of a field; each copy of the
/// message has them.
pub const MAX_ADDED_HEADER_BYTES: usize = 64 * 1024;

/// At how many places of the header one run may take fields out: each is remembered until all copies of the message are
/// written, and no mail has as many.
pub const MAX_HEADER_GAPS: usize = 1000;

/// How many different headers the copies of one message may have; an implicit keep may add one. Each is a message of its own
/// to store or to send, however large it is.
pub const MAX_HEADERS: usize = 8;

/// The longest value of a variable, in characters; the rest is cut off. RFC 5229 §3 asks for 4,000.
pub const MAX_VARIABLE_CHARS: usize = 4096;

/// How many variables there may be; RFC 5229 §3 asks for 128.
pub const MAX_VARIABLES: usize = 256;

/// The longest string with variables in it after they are expanded, in bytes: a vacation text with a few quoted headers.
pub const MAX_EXPANDED_BYTES: usize = 64 * 1024;

/// How much the strings of a list, or the values that a test looks at, may take together, in bytes: more than a whole script
/// of block lists.
pub const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// How many match variables are kept (`${0}` to `${31}`); RFC 5229 §3.2 asks for ten.
pub const MAX_CAPTURES: usize = 32;

/// How many flags a flag variable or an action holds.
pub const MAX_FLAGS: usize = 64;

/// How much of the text of a message the body test looks at, in bytes: what a person reads is far shorter, and attachments
/// are no text.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How much work one run may do. A step is a command, a test, a comparison of one character under `:matches`, or some
/// bytes of anything else, fewer of what costs more; this many take about a second.
pub const MAX_STEPS: u64 = 20_000_000;

/// The longest vacation interval, in days; RFC 5230 §4.1 asks for at least 30.
pub const MAX_VACATION_DAYS: u64 = 365;

/// The interval of a vacation that names none, in days (RFC 5230 §4.1).
pub const DEFAULT_VACATION_DAYS: u64 = 7;

/// The shortest vacation interval, in seconds: `:seconds 0` would let two absent people write to each other for ever where
/// one of them hides that it is a machine.
pub const MIN_VACATION_S: u64 = 60;

/// For how many duplicate tests a message may be remembered: each is written down, and a script has one or two.
pub const MAX_SEEN: usize = 32;

/// How long a message counts as seen before where a duplicate test does not say, in seconds; RFC 7352 §3.3 leaves it to us.
pub const DEFAULT_DUPLICATE_S: u64 = 7 * 86_400;

/// The longest that it may ask for, in seconds: what is remembered takes room.
pub const MAX_DUPLICATE_S: u64 = 90 * 86_400;
