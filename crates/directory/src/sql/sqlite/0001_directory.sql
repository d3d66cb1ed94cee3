-- Version 1: everything. See docs/design/directory.md.

CREATE TABLE customer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE domain (
    name TEXT NOT NULL PRIMARY KEY,
    customer_id INTEGER REFERENCES customer (id),
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX domain_customer ON domain (customer_id);

CREATE TABLE integration (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    policy TEXT NOT NULL,
    before_source TEXT,
    after_source TEXT,
    base_source TEXT,
    summary TEXT
) STRICT;

-- AUTOINCREMENT: the store keys mail by account, so an id must never name a second account.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    domain TEXT NOT NULL REFERENCES domain (name),
    name TEXT,
    password_hash TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'locked', 'disabled', 'closed', 'sealed')),
    quota_bytes INTEGER CHECK (quota_bytes >= 0),
    quota_grace_until INTEGER,
    language TEXT,
    pop3_before TEXT CHECK (pop3_before IN ('show', 'hide', 'seen-hide')),
    created_at INTEGER NOT NULL,
    password_set_at INTEGER,
    last_login_at INTEGER,
    restored INTEGER REFERENCES integration (id)
) STRICT;
CREATE UNIQUE INDEX account_domain ON account (domain, key);
CREATE INDEX account_restored ON account (restored, domain, key);

CREATE TABLE alias (
    key TEXT NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    domain TEXT NOT NULL REFERENCES domain (name),
    targets TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alias_domain ON alias (domain, key);

CREATE TABLE domain_alias (
    from_domain TEXT NOT NULL PRIMARY KEY REFERENCES domain (name),
    to_domain TEXT NOT NULL REFERENCES domain (name),
    CHECK (from_domain <> to_domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX domain_alias_to ON domain_alias (to_domain);

CREATE TABLE forward (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    targets TEXT NOT NULL,
    keep_copy INTEGER NOT NULL CHECK (keep_copy IN (0, 1))
) STRICT;

CREATE TABLE script (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX script_active ON script (account_id) WHERE active = 1;

CREATE TABLE domain_admin (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    login_key TEXT NOT NULL UNIQUE,
    login TEXT NOT NULL,
    password_hash TEXT,
    account_id INTEGER REFERENCES account (id),
    created_at INTEGER NOT NULL,
    password_set_at INTEGER,
    last_login_at INTEGER,
    CHECK (password_hash IS NULL OR account_id IS NULL)
) STRICT;
CREATE INDEX domain_admin_account ON domain_admin (account_id);

CREATE TABLE domain_admin_domain (
    admin_id INTEGER NOT NULL REFERENCES domain_admin (id) ON DELETE CASCADE,
    domain TEXT NOT NULL REFERENCES domain (name),
    PRIMARY KEY (admin_id, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX domain_admin_domain_domain ON domain_admin_domain (domain, admin_id);

CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, number);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TABLE lineage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    integration_id INTEGER REFERENCES integration (id),
    role TEXT NOT NULL CHECK (role IN ('before', 'after', 'base', 'import')),
    source TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('staging', 'staged')),
    staged_at INTEGER,
    CHECK ((state = 'staged') = (staged_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX lineage_role ON lineage (integration_id, role);

CREATE TABLE lineage_domain (
    lineage_id INTEGER NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    customer TEXT,
    PRIMARY KEY (lineage_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineage_account (
    lineage_id INTEGER NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (lineage_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineage_alias (
    lineage_id INTEGER NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    targets TEXT NOT NULL,
    PRIMARY KEY (lineage_id, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineage_script (
    lineage_id INTEGER NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
    account_key TEXT NOT NULL,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    PRIMARY KEY (lineage_id, account_key, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineage_notice (
    lineage_id INTEGER NOT NULL REFERENCES lineage (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    rule TEXT NOT NULL,
    place TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (lineage_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_apply (
    integration_id INTEGER NOT NULL REFERENCES integration (id),
    account_key TEXT NOT NULL,
    state TEXT NOT NULL,
    undo TEXT,
    detail TEXT NOT NULL,
    PRIMARY KEY (integration_id, account_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE conflict (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    integration_id INTEGER NOT NULL REFERENCES integration (id),
    kind TEXT NOT NULL,
    domain TEXT NOT NULL,
    address TEXT NOT NULL,
    evidence TEXT NOT NULL,
    choices TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'decided')),
    choice TEXT,
    decided_by TEXT,
    decided_at INTEGER,
    undo TEXT,
    UNIQUE (integration_id, kind, domain, address),
    CHECK ((state = 'decided') = (choice IS NOT NULL AND decided_by IS NOT NULL AND decided_at IS NOT NULL))
) STRICT;
CREATE INDEX conflict_integration ON conflict (integration_id, number);
CREATE INDEX conflict_state ON conflict (integration_id, state, number);
CREATE INDEX conflict_domain ON conflict (domain, number);
