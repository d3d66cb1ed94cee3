//! Forwarding and vacation of accounts, as scripts.

statements! {
    PUT = "INSERT INTO settings_script (account_id, content) VALUES ($1, $2)
        ON CONFLICT (account_id) DO UPDATE SET content = excluded.content";
    DELETE = "DELETE FROM settings_script WHERE account_id = $1";
    GET = "SELECT content FROM settings_script WHERE account_id = $1";
    PAGE = "SELECT account_id, content FROM settings_script WHERE account_id > $1 ORDER BY account_id LIMIT $2";
}
