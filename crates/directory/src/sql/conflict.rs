//! Conflicts.

/// The columns of a conflict, in the order in which rows are read.
macro_rules! columns {
    () => {
        "number, integration_id, kind, domain, address, evidence, choices, state, choice, decided_by, decided_at, undo"
    };
}

statements! {
    /// Returns no row where the conflict is decided already.
    PUT = "INSERT INTO conflict (integration_id, kind, domain, address, evidence, choices, state)
        VALUES ($1, $2, $3, $4, $5, $6, 'open')
        ON CONFLICT (integration_id, kind, domain, address) DO UPDATE SET evidence = excluded.evidence,
        choices = excluded.choices WHERE conflict.state = 'open' RETURNING number";
    FIND = concat!("SELECT ", columns!(), " FROM conflict
        WHERE integration_id = $1 AND kind = $2 AND domain = $3 AND address = $4");
    DECIDE = "UPDATE conflict SET state = 'decided', choice = $1, decided_by = $2, decided_at = $3, undo = $4
        WHERE number = $5";
    REOPEN = "UPDATE conflict SET state = 'open', choice = NULL, decided_by = NULL, decided_at = NULL, undo = NULL
        WHERE number = $1";
    DELETE = "DELETE FROM conflict WHERE number = $1";
    GET = concat!("SELECT ", columns!(), " FROM conflict WHERE number = $1");
    PAGE = concat!("SELECT ", columns!(), " FROM conflict WHERE integration_id = $1 AND number > $2
        ORDER BY number LIMIT $3");
    STATE_PAGE = concat!("SELECT ", columns!(), " FROM conflict WHERE integration_id = $1 AND state = $2 AND number > $3
        ORDER BY number LIMIT $4");
    DOMAIN_PAGE = concat!("SELECT ", columns!(), " FROM conflict WHERE domain = $1 AND number > $2
        ORDER BY number LIMIT $3");
    FORGET_UNDO = "UPDATE conflict SET undo = NULL WHERE integration_id = $1 AND undo IS NOT NULL";
}
