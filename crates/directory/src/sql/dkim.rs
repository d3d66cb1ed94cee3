//! DKIM keys.

/// The columns of a key, in the order in which rows are read.
macro_rules! columns {
    () => {
        "domain, selector, algorithm, private_key, public_record, state, created_at, active_at, retired_at"
    };
}

statements! {
    INSERT = "INSERT INTO dkim_key (domain, selector, algorithm, private_key, public_record, state, created_at)
        VALUES ($1, $2, $3, $4, $5, 'pending', $6)";
    ACTIVATE = "UPDATE dkim_key SET state = 'active', active_at = $1, retired_at = NULL
        WHERE domain = $2 AND selector = $3";
    RETIRE = "UPDATE dkim_key SET state = 'retired', retired_at = $1
        WHERE domain = $2 AND selector = $3 AND state = 'active'";
    DELETE = "DELETE FROM dkim_key WHERE domain = $1 AND selector = $2";
    GET = concat!("SELECT ", columns!(), " FROM dkim_key WHERE domain = $1 AND selector = $2");
    OF_DOMAIN = concat!("SELECT ", columns!(), " FROM dkim_key WHERE domain = $1 ORDER BY selector");
    ACTIVE = "SELECT selector FROM dkim_key WHERE domain = $1 AND algorithm = $2 AND state = 'active'";
    PAGE = concat!("SELECT ", columns!(), " FROM dkim_key WHERE (domain, selector) > ($1, $2)
        ORDER BY domain, selector LIMIT $3");
    SIGNING = "SELECT selector, algorithm, private_key FROM dkim_key WHERE domain = $1 AND state = 'active'
        ORDER BY algorithm DESC";
}
