-- Version 2: what signing in over the network needs. See docs/design/sign-in.md.

-- Random bytes of this server's own, made when they are first wanted.
CREATE TABLE secret (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL CHECK (length(value) = 32)
) STRICT, WITHOUT ROWID;

-- Keys of SCRAM-SHA-256 for the password whose hash stands in the account, which hash_digest names.
CREATE TABLE scram (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash_digest BLOB NOT NULL CHECK (length(hash_digest) = 32),
    salt BLOB NOT NULL,
    iterations INTEGER NOT NULL CHECK (iterations > 0),
    stored_key BLOB NOT NULL CHECK (length(stored_key) = 32),
    server_key BLOB NOT NULL CHECK (length(server_key) = 32)
) STRICT;
CREATE TRIGGER scram_of_former_hash AFTER UPDATE OF password_hash ON account
WHEN OLD.password_hash IS NOT NEW.password_hash
BEGIN
    DELETE FROM scram WHERE account_id = NEW.id;
END;

-- AUTOINCREMENT: an id names one app password for ever, in the audit log too.
CREATE TABLE app_password (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    hash_salt BLOB NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    salt BLOB NOT NULL,
    iterations INTEGER NOT NULL CHECK (iterations > 0),
    stored_key BLOB NOT NULL CHECK (length(stored_key) = 32),
    server_key BLOB NOT NULL CHECK (length(server_key) = 32),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    last_used_from TEXT,
    last_used_for TEXT,
    CHECK ((last_used_at IS NULL) = (last_used_from IS NULL)),
    CHECK ((last_used_at IS NULL) = (last_used_for IS NULL))
) STRICT;
CREATE INDEX app_password_account ON app_password (account_id, id);

-- Capabilities that an account's clients stumble on.
CREATE TABLE account_switch (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    capability TEXT NOT NULL,
    PRIMARY KEY (account_id, capability)
) STRICT, WITHOUT ROWID;

-- Networks that an account signed in from, as keyed hashes: they are recognised and never read back.
CREATE TABLE account_network (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    network BLOB NOT NULL CHECK (length(network) = 16),
    last_good_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_network_recent ON account_network (account_id, last_good_at, network);
