//! Accounts.

/// The columns of an account, in the order in which rows are read.
macro_rules! columns {
    () => {
        "id, address, name, password_hash, state, quota_bytes, quota_grace_until, language, pop3_before, created_at,
        password_set_at, last_login_at, restored"
    };
}

statements! {
    INSERT = "INSERT INTO account (key, address, domain, name, password_hash, state, quota_bytes, quota_grace_until,
        language, pop3_before, created_at, password_set_at, restored)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id";
    UPDATE = "UPDATE account SET key = $1, address = $2, domain = $3, name = $4, password_hash = $5, state = $6,
        quota_bytes = $7, quota_grace_until = $8, language = $9, pop3_before = $10, created_at = $11,
        password_set_at = $12, last_login_at = $13, restored = $14 WHERE id = $15";
    SET_STATE = "UPDATE account SET state = $1 WHERE id = $2";
    SET_PASSWORD = "UPDATE account SET password_hash = $1, password_set_at = $2,
        state = CASE state WHEN 'locked' THEN 'open' ELSE state END WHERE id = $3";
    SET_LAST_LOGIN = "UPDATE account SET last_login_at = $1 WHERE id = $2";
    /// Replaces the hash of one password by another of the same, unless the password was changed meanwhile.
    REHASH = "UPDATE account SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
    DELETE = "DELETE FROM account WHERE id = $1";
    GET = concat!("SELECT ", columns!(), " FROM account WHERE key = $1");
    BY_ID = concat!("SELECT ", columns!(), " FROM account WHERE id = $1");
    PAGE = concat!("SELECT ", columns!(), " FROM account WHERE (domain, key) > ($1, $2)
        ORDER BY domain, key LIMIT $3");
    DOMAIN_PAGE = concat!("SELECT ", columns!(), " FROM account WHERE domain = $1 AND key > $2 ORDER BY key LIMIT $3");
    RESTORED_PAGE = concat!("SELECT ", columns!(), " FROM account WHERE restored = $1 AND (domain, key) > ($2, $3)
        ORDER BY domain, key LIMIT $4");
}
