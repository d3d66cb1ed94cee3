//! What Sieve scripts remember.

statements! {
    GET = "SELECT seen_at, until_at FROM sieve_seen WHERE account_id = $1 AND id = $2";
    /// Changes a row only where what it remembers has passed: whoever changed one was first.
    CLAIM = "INSERT INTO sieve_seen (account_id, id, seen_at, until_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_id, id) DO UPDATE SET seen_at = excluded.seen_at, until_at = excluded.until_at
        WHERE sieve_seen.until_at <= excluded.seen_at";
    REMEMBER = "INSERT INTO sieve_seen (account_id, id, seen_at, until_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_id, id) DO UPDATE SET seen_at = excluded.seen_at,
        until_at = CASE WHEN sieve_seen.until_at > excluded.until_at THEN sieve_seen.until_at
            ELSE excluded.until_at END";
    DELETE = "DELETE FROM sieve_seen WHERE account_id = $1 AND id = $2";
    FORGET_OLD = "DELETE FROM sieve_seen WHERE (account_id, id) IN (
        SELECT account_id, id FROM sieve_seen WHERE until_at <= $1 ORDER BY until_at LIMIT $2)";
    /// Leaves what an account is to remember longest, as much as is kept.
    FORGET_MANY = "DELETE FROM sieve_seen WHERE account_id = $1 AND id IN (
        SELECT id FROM sieve_seen WHERE account_id = $1 ORDER BY until_at DESC, id DESC LIMIT 1000 OFFSET $2)";
    CROWDED = "SELECT account_id, COUNT(*) FROM sieve_seen GROUP BY account_id HAVING COUNT(*) > $1
        ORDER BY account_id";
}
