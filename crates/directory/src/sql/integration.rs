//! Integrations and what they did to accounts.

/// The columns of an integration, in the order in which rows are read.
macro_rules! columns {
    () => {
        "id, label, state, created_at, policy, before_source, after_source, base_source, summary"
    };
}

statements! {
    INSERT = "INSERT INTO integration (label, state, created_at, policy, before_source, after_source, base_source,
        summary) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    UPDATE = "UPDATE integration SET label = $1, state = $2, created_at = $3, policy = $4, before_source = $5,
        after_source = $6, base_source = $7, summary = $8 WHERE id = $9";
    GET = concat!("SELECT ", columns!(), " FROM integration WHERE id = $1");
    PAGE = concat!("SELECT ", columns!(), " FROM integration WHERE id > $1 ORDER BY id LIMIT $2");

    APPLY_PUT = "INSERT INTO account_apply (integration_id, account_key, state, undo, detail)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (integration_id, account_key) DO UPDATE SET state = excluded.state, undo = excluded.undo,
        detail = excluded.detail";
    APPLY = "SELECT integration_id, account_key, state, undo, detail FROM account_apply
        WHERE integration_id = $1 AND account_key = $2";
    APPLY_PAGE = "SELECT integration_id, account_key, state, undo, detail FROM account_apply
        WHERE integration_id = $1 AND account_key > $2 ORDER BY account_key LIMIT $3";
    APPLY_STATE_PAGE = "SELECT integration_id, account_key, state, undo, detail FROM account_apply
        WHERE integration_id = $1 AND state = $2 AND account_key > $3 ORDER BY account_key LIMIT $4";
    APPLY_DELETE = "DELETE FROM account_apply WHERE integration_id = $1 AND account_key = $2";
    APPLY_COUNTS = "SELECT state, COUNT(*) FROM account_apply WHERE integration_id = $1 GROUP BY state ORDER BY state";
    APPLY_FORGET_UNDO = "UPDATE account_apply SET undo = NULL WHERE integration_id = $1 AND undo IS NOT NULL";
}
