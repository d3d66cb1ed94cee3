//! Domain admins.

/// The columns of a domain admin, in the order in which rows are read.
macro_rules! columns {
    () => {
        "id, login, password_hash, account_id, created_at, password_set_at, last_login_at"
    };
}

statements! {
    INSERT = "INSERT INTO domain_admin (login_key, login, password_hash, account_id, created_at, password_set_at)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    UPDATE = "UPDATE domain_admin SET login_key = $1, login = $2, password_hash = $3, account_id = $4, created_at = $5,
        password_set_at = $6, last_login_at = $7 WHERE id = $8";
    SET_PASSWORD = "UPDATE domain_admin SET password_hash = $1, password_set_at = $2
        WHERE id = $3 AND account_id IS NULL";
    SET_LAST_LOGIN = "UPDATE domain_admin SET last_login_at = $1 WHERE id = $2";
    REHASH = "UPDATE domain_admin SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
    DELETE = "DELETE FROM domain_admin WHERE id = $1";
    GET = concat!("SELECT ", columns!(), " FROM domain_admin WHERE login_key = $1");
    PAGE = concat!("SELECT ", columns!(), " FROM domain_admin WHERE login_key > $1 ORDER BY login_key LIMIT $2");
    OF_DOMAIN = concat!("SELECT ", columns!(), " FROM domain_admin WHERE id IN
        (SELECT admin_id FROM domain_admin_domain WHERE domain = $1) ORDER BY login_key");

    DOMAIN_INSERT = "INSERT INTO domain_admin_domain (admin_id, domain) VALUES ($1, $2)";
    DOMAINS_DELETE = "DELETE FROM domain_admin_domain WHERE admin_id = $1";
    DOMAINS = "SELECT domain FROM domain_admin_domain WHERE admin_id = $1 ORDER BY domain";
}
