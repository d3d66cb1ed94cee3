-- The index of one cell. Primary keys lead with the account, so that a distributed engine can shard by it.
CREATE TABLE cell (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE account (
    account_id      INTEGER PRIMARY KEY,
    lineage         INTEGER NOT NULL,
    address_key     TEXT NOT NULL,
    address         TEXT NOT NULL,
    next_mailbox_id INTEGER NOT NULL,
    max_uidvalidity INTEGER NOT NULL,
    manifest_due    INTEGER NOT NULL,
    UNIQUE (lineage, address_key)
);

CREATE TABLE mailbox (
    account_id     INTEGER NOT NULL,
    mailbox_id     INTEGER NOT NULL,
    name           TEXT NOT NULL,
    uidvalidity    INTEGER,
    uidnext        INTEGER NOT NULL,
    highest_modseq INTEGER NOT NULL,
    special_use    INTEGER,
    subscribed     INTEGER NOT NULL,
    PRIMARY KEY (account_id, mailbox_id),
    UNIQUE (account_id, name)
) WITHOUT ROWID;

-- The bytes of messages, once per cell. message_id and first_field are 64-bit hashes.
CREATE TABLE blob (
    blob_id     INTEGER PRIMARY KEY,
    digest      BLOB NOT NULL UNIQUE,
    identity    BLOB NOT NULL,
    message_id  INTEGER,
    first_field INTEGER,
    size_bytes  INTEGER NOT NULL,
    segment     INTEGER NOT NULL,
    position    INTEGER NOT NULL
);

-- uidl is kept only where it is not what the rule makes of UIDVALIDITY and UID.
CREATE TABLE message (
    account_id    INTEGER NOT NULL,
    mailbox_id    INTEGER NOT NULL,
    uid           INTEGER NOT NULL,
    blob_id       INTEGER NOT NULL,
    flags         INTEGER NOT NULL,
    keywords      TEXT,
    internal_date INTEGER NOT NULL,
    save_date     INTEGER NOT NULL,
    modseq        INTEGER NOT NULL,
    uidl          TEXT,
    traits        INTEGER NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, uid)
) WITHOUT ROWID;

-- UIDs that were served and are gone (RFC 7162, VANISHED), with the identity that they named (RULES.md G11).
CREATE TABLE expunged (
    account_id INTEGER NOT NULL,
    mailbox_id INTEGER NOT NULL,
    uid        INTEGER NOT NULL,
    modseq     INTEGER NOT NULL,
    identity   BLOB,
    PRIMARY KEY (account_id, mailbox_id, uid)
) WITHOUT ROWID;

-- What a staged account's source held, file by file: one ledger row each.
CREATE TABLE item (
    account_id   INTEGER NOT NULL,
    item_no      INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    mailbox_id   INTEGER,
    uid          INTEGER,
    mailbox_name TEXT,
    listed_uid   INTEGER,
    path         BLOB NOT NULL,
    range_offset INTEGER,
    range_length INTEGER,
    length_bytes INTEGER NOT NULL,
    modified_ns  INTEGER NOT NULL,
    changed_ns   INTEGER NOT NULL,
    inode        INTEGER NOT NULL,
    mended       TEXT,
    reason       TEXT,
    PRIMARY KEY (account_id, item_no)
) WITHOUT ROWID;

-- What an integration did to an account: how it was, how it became, and the integrator's own record of every fate.
CREATE TABLE journal (
    integration INTEGER NOT NULL,
    address_key TEXT NOT NULL,
    state       TEXT NOT NULL,
    was         BLOB,
    became      BLOB,
    fates       BLOB,
    PRIMARY KEY (integration, address_key)
) WITHOUT ROWID;
