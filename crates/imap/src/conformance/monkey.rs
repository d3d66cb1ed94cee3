//! Sessions that do anything in any order: every command is answered once, nothing panics, and what several of them did
//! leaves a store as it should be.

use super::harness::{Client, World};

const COMMANDS: [&str; 64] = [
    "CAPABILITY",
    "NOOP",
    "ID NIL",
    "NAMESPACE",
    "ENABLE CONDSTORE",
    "ENABLE QRESYNC IMAP4rev2",
    "ENABLE UTF8=ACCEPT",
    "SELECT INBOX",
    "SELECT Work (CONDSTORE)",
    "EXAMINE INBOX",
    "SELECT INBOX (QRESYNC (1 1 1:5 (1:3 1:3)))",
    "CLOSE",
    "UNSELECT",
    "CHECK",
    "CREATE Work",
    "CREATE Work/a/b",
    "CREATE Sent (USE (\\Sent))",
    "DELETE Work",
    "DELETE Work/a/b",
    "RENAME Work Play",
    "RENAME Play Work",
    "RENAME INBOX Old",
    "SUBSCRIBE Work",
    "UNSUBSCRIBE Work",
    "LIST \"\" *",
    "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))",
    "LSUB \"\" *",
    "STATUS INBOX (MESSAGES UNSEEN SIZE HIGHESTMODSEQ)",
    "APPEND INBOX {16+}\r\nSubject: a\r\n\r\nb\r\n",
    "APPEND Work (\\Seen k1) {16+}\r\nSubject: b\r\n\r\nb\r\n",
    "APPEND INBOX (\\Deleted) {16+}\r\nSubject: c\r\n\r\nb\r\n {16+}\r\nSubject: d\r\n\r\nb\r\n",
    "EXPUNGE",
    "UID EXPUNGE 1:*",
    "FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE)",
    "FETCH 1 BODY[]",
    "FETCH * (BODY[HEADER.FIELDS (SUBJECT)]<0.5> RFC822.SIZE INTERNALDATE)",
    "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)",
    "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    "STORE 1 +FLAGS (\\Seen)",
    "STORE 1:* -FLAGS.SILENT (\\Deleted)",
    "STORE 1 (UNCHANGEDSINCE 2) FLAGS (k2)",
    "UID STORE 1:* +FLAGS (\\Deleted)",
    "SEARCH ALL",
    "SEARCH RETURN (SAVE COUNT) UNSEEN",
    "UID SEARCH RETURN (MIN MAX ALL) SUBJECT a",
    "SEARCH OR (FROM x) NOT DELETED",
    "FETCH $ (UID)",
    "SORT (REVERSE SUBJECT) UTF-8 ALL",
    "UID THREAD REFERENCES UTF-8 ALL",
    "COPY 1 Work",
    "MOVE 1:2 Work",
    "UID MOVE 1:* INBOX",
    "REPLACE 1 INBOX {16+}\r\nSubject: e\r\n\r\nb\r\n",
    "GETQUOTAROOT INBOX",
    "GETMETADATA INBOX (/private/comment)",
    "SETMETADATA INBOX (/private/comment \"x\")",
    "SETMETADATA \"\" (/private/comment NIL)",
    "NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))",
    "NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge MailboxName MailboxMetadataChange))",
    "NOTIFY NONE",
    "IDLE\r\nDONE",
    "COMPRESS LZ4",
    "FETCH 99 FLAGS",
    "XYZZY",
];

/// Random numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn anything_in_any_order_is_answered_once() {
    for seed in 0..12 {
        let (world, mut dice) = (World::new(), Dice(seed));
        let mut clients: Vec<Client> = (0..3).map(|_| world.ana()).collect();
        for number in 0..150 {
            let at = dice.below(clients.len());
            let command = COMMANDS[dice.below(COMMANDS.len())];
            let said = clients[at].send(&format!("t{number} {command}"));
            let answers = said.iter().filter(|line| line.starts_with(&format!("t{number} "))).count();
            let ended = clients[at].is_closed();
            assert!(answers == 1 || ended && answers == 0, "seed {seed}, {number}: {command}: {said:?}");
            if ended {
                assert!(said.iter().any(|line| line.starts_with("* BYE ")), "seed {seed}, {number}: {said:?}");
                clients[at] = world.ana();
            }
            let listener = &mut clients[dice.below(3)];
            if listener.watches() {
                listener.hears();
            }
        }
        world.finish();
    }
}
