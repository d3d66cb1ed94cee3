-- Version 3: deliveries that may be tried again, by the ids that those who hand them on chose; for some days.
CREATE TABLE delivered (
    account_id  INTEGER NOT NULL,
    delivery_id BLOB NOT NULL,
    mailbox_id  INTEGER NOT NULL,
    uid         INTEGER NOT NULL,
    uidvalidity INTEGER,
    seen_s      INTEGER NOT NULL,
    PRIMARY KEY (account_id, delivery_id)
) WITHOUT ROWID;
CREATE INDEX delivered_by_age ON delivered (seen_s);
