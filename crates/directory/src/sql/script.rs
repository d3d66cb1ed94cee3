//! Sieve scripts.

statements! {
    PUT = "INSERT INTO script (account_id, name, content, active) VALUES ($1, $2, $3, 0)
        ON CONFLICT (account_id, name) DO UPDATE SET content = excluded.content";
    RENAME = "UPDATE script SET name = $1 WHERE account_id = $2 AND name = $3";
    DELETE = "DELETE FROM script WHERE account_id = $1 AND name = $2";
    DEACTIVATE = "UPDATE script SET active = 0 WHERE account_id = $1 AND active = 1";
    ACTIVATE = "UPDATE script SET active = 1 WHERE account_id = $1 AND name = $2";
    GET = "SELECT account_id, name, content, active FROM script WHERE account_id = $1 AND name = $2";
    ACTIVE = "SELECT account_id, name, content, active FROM script WHERE account_id = $1 AND active = 1";
    SIZES = "SELECT name, LENGTH(content), active FROM script WHERE account_id = $1 ORDER BY name";
    LIST = "SELECT account_id, name, content, active FROM script WHERE account_id = $1 ORDER BY name";
}
