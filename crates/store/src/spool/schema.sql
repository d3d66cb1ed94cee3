-- The index of the spool. What is noted of its segments stands in a table of the name that it has in a cell's index: what
-- catches up with segments is one code.
CREATE TABLE cell (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row, once the index has been made: what there is, and the number of the next message.
CREATE TABLE total (
    total_id   INTEGER PRIMARY KEY CHECK (total_id = 1),
    next_id    INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    held       INTEGER NOT NULL
);

-- A message that has yet to reach somebody, and where its record lies.
CREATE TABLE message (
    message_id   INTEGER PRIMARY KEY,
    segment      INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    record_bytes INTEGER NOT NULL,
    digest       BLOB NOT NULL,
    size_bytes   INTEGER NOT NULL,
    key          BLOB,
    put_s        INTEGER NOT NULL,
    reverse_path TEXT NOT NULL,
    purpose      INTEGER NOT NULL,
    account      TEXT,
    envelope_id  TEXT,
    traits       INTEGER NOT NULL,
    arrived_s    INTEGER NOT NULL,
    expires_s    INTEGER NOT NULL
);
CREATE INDEX message_by_place ON message (segment, position, record_bytes);

CREATE TABLE recipient (
    message_id INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    address    TEXT NOT NULL,
    hop        TEXT NOT NULL,
    original   TEXT,
    traits     INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    due_s      INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    last       TEXT,
    PRIMARY KEY (message_id, number)
) WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (hop, state, due_s);

-- Hops that recipients wait for: how many, and when the first is due. It is made from the recipients.
CREATE TABLE hop (
    hop     TEXT NOT NULL PRIMARY KEY,
    due_s   INTEGER NOT NULL,
    waiting INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX hop_due ON hop (due_s);

-- Messages by the keys that they were put in with, also those that are gone; for some days.
CREATE TABLE key (
    key        BLOB NOT NULL PRIMARY KEY,
    message_id INTEGER NOT NULL,
    put_s      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX key_by_age ON key (put_s);

-- What became of TLS and DMARC, for reports. The name of a row is a hash of all that is said in it but the count.
CREATE TABLE outcome (
    day   INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    name  BLOB NOT NULL,
    said  BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, kind, name)
) WITHOUT ROWID;
