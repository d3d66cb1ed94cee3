//! Questions of the consistency check that only SQL can ask.

statements! {
    TWO_ACTIVE_SCRIPTS = "SELECT account_id, COUNT(*) FROM script WHERE active = 1 GROUP BY account_id
        HAVING COUNT(*) > 1 ORDER BY account_id";
    ACCOUNT_PAGE = "SELECT key, address, domain FROM account WHERE key > $1 ORDER BY key LIMIT $2";
    ALIAS_PAGE = "SELECT key, address, domain FROM alias WHERE key > $1 ORDER BY key LIMIT $2";
    ADMIN_PAGE = "SELECT login_key, login FROM domain_admin WHERE login_key > $1 ORDER BY login_key LIMIT $2";
}
