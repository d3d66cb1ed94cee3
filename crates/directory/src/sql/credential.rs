//! What signing in over the network needs: secrets, SCRAM keys, app passwords, switches, networks.

/// The columns of an app password, in the order in which rows are read.
macro_rules! app_columns {
    () => {
        "id, account_id, label, created_at, last_used_at, last_used_from, last_used_for"
    };
}

/// The columns of SCRAM keys, in the order in which they are read.
macro_rules! key_columns {
    () => {
        "salt, iterations, stored_key, server_key"
    };
}

statements! {
    SECRET = "SELECT value FROM secret WHERE name = $1";
    SECRET_PUT = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

    SCRAM = concat!("SELECT ", key_columns!(), ", hash_digest FROM scram WHERE account_id = $1");
    SCRAM_PUT = "INSERT INTO scram (account_id, hash_digest, salt, iterations, stored_key, server_key)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account_id) DO UPDATE SET hash_digest = excluded.hash_digest, salt = excluded.salt,
        iterations = excluded.iterations, stored_key = excluded.stored_key, server_key = excluded.server_key";
    /// Accounts that could sign in with a password and not with SCRAM.
    WITHOUT_SCRAM_PAGE = "SELECT id, password_hash FROM account WHERE id > $1 AND state = 'open'
        AND password_hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM scram WHERE scram.account_id = account.id)
        ORDER BY id LIMIT $2";
    SCRAM_CHECK_PAGE = "SELECT scram.account_id, scram.hash_digest, account.password_hash FROM scram
        JOIN account ON account.id = scram.account_id WHERE scram.account_id > $1 ORDER BY scram.account_id LIMIT $2";

    APP_INSERT = "INSERT INTO app_password (account_id, label, hash_salt, hash, salt, iterations, stored_key,
        server_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    APP_DELETE = "DELETE FROM app_password WHERE id = $1";
    APP_USED = "UPDATE app_password SET last_used_at = $1, last_used_from = $2, last_used_for = $3 WHERE id = $4";
    APP_BY_ID = concat!("SELECT ", app_columns!(), " FROM app_password WHERE id = $1");
    APP_LIST = concat!("SELECT ", app_columns!(), " FROM app_password WHERE account_id = $1 ORDER BY id");
    APP_PAGE = concat!("SELECT ", app_columns!(), " FROM app_password WHERE id > $1 ORDER BY id LIMIT $2");
    APP_HASHES = "SELECT id, hash_salt, hash FROM app_password WHERE account_id = $1 ORDER BY id";
    APP_KEYS = concat!("SELECT ", key_columns!(), ", id FROM app_password WHERE account_id = $1 ORDER BY id");

    SWITCH_PUT = "INSERT INTO account_switch (account_id, capability) VALUES ($1, $2)
        ON CONFLICT (account_id, capability) DO NOTHING";
    SWITCH_DELETE = "DELETE FROM account_switch WHERE account_id = $1 AND capability = $2";
    SWITCHES = "SELECT capability FROM account_switch WHERE account_id = $1 ORDER BY capability";
    SWITCH_PAGE = "SELECT account_id, capability FROM account_switch WHERE (account_id, capability) > ($1, $2)
        ORDER BY account_id, capability LIMIT $3";

    NETWORK = "SELECT last_good_at FROM account_network WHERE account_id = $1 AND network = $2";
    NETWORK_PUT = "INSERT INTO account_network (account_id, network, last_good_at) VALUES ($1, $2, $3)
        ON CONFLICT (account_id, network) DO UPDATE SET last_good_at = excluded.last_good_at";
    NETWORK_FORGET_OLD = "DELETE FROM account_network WHERE account_id = $1 AND last_good_at < $2";
    /// Leaves the networks of an account that were used last, as many as are kept.
    NETWORK_FORGET_MANY = "DELETE FROM account_network WHERE account_id = $1 AND network IN (
        SELECT network FROM account_network WHERE account_id = $1 ORDER BY last_good_at DESC, network DESC
        LIMIT 1000 OFFSET $2)";
    NETWORK_CROWDED = "SELECT account_id, COUNT(*) FROM account_network GROUP BY account_id HAVING COUNT(*) > $1
        ORDER BY account_id";
}
