-- Version 2: what serving a mailbox asks.

-- CHANGEDSINCE, QRESYNC and images ask what changed behind a modification sequence. In hidden lineages every sequence is
-- 0, so staging pays nothing for it.
CREATE INDEX message_by_modseq ON message (account_id, mailbox_id, modseq) WHERE modseq > 0;
CREATE INDEX expunged_by_modseq ON expunged (account_id, mailbox_id, modseq) WHERE modseq > 0;

-- Names that an account is subscribed to and that no mailbox of it has (RFC 9051 §6.3.7). Subscriptions to mailboxes are
-- in their own rows.
CREATE TABLE subscription (
    account_id INTEGER NOT NULL,
    name       TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

-- Annotations (RFC 5464), entry names in lower case. Mailbox 0, which is no mailbox's number, stands for the server.
CREATE TABLE annotation (
    account_id INTEGER NOT NULL,
    mailbox_id INTEGER NOT NULL,
    entry      TEXT NOT NULL,
    value      BLOB NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, entry)
) WITHOUT ROWID;
