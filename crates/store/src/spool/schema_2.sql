-- Policies of MTA-STS by their domains, as they were fetched, and until when they hold.
CREATE TABLE sts_policy (
    domain    TEXT NOT NULL PRIMARY KEY,
    id        TEXT NOT NULL,
    policy    TEXT NOT NULL,
    fetched_s INTEGER NOT NULL,
    expires_s INTEGER NOT NULL
);
CREATE INDEX sts_policy_by_end ON sts_policy (expires_s);
