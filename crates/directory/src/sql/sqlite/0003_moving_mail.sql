-- Version 3: what moving mail needs. See docs/design/directory.md.

-- Forwarding and vacation of an account, as the script that carries them out. Takes the place of `forward`, whose rows are
-- moved here by code, which then removes it.
CREATE TABLE settings_script (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    content BLOB NOT NULL
) STRICT;

-- What Sieve scripts remember: whom a vacation answered and when, which messages a duplicate test has seen.
CREATE TABLE sieve_seen (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 32),
    seen_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sieve_seen_account ON sieve_seen (account_id, until_at, id);
CREATE INDEX sieve_seen_until ON sieve_seen (until_at, account_id, id);

CREATE TABLE dkim_key (
    domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
    private_key TEXT NOT NULL,
    public_record TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retired')),
    created_at INTEGER NOT NULL,
    active_at INTEGER,
    retired_at INTEGER,
    PRIMARY KEY (domain, selector),
    CHECK ((state = 'pending') = (active_at IS NULL)),
    CHECK ((state = 'retired') = (retired_at IS NOT NULL))
) STRICT, WITHOUT ROWID;
-- A domain signs with one key of each algorithm.
CREATE UNIQUE INDEX dkim_key_active ON dkim_key (domain, algorithm) WHERE state = 'active';
