//! Staged lineages.

/// The columns of a lineage, in the order in which rows are read.
macro_rules! columns {
    () => {
        "id, integration_id, role, source, state, staged_at"
    };
}

statements! {
    INSERT = "INSERT INTO lineage (integration_id, role, source, state, staged_at) VALUES ($1, $2, $3, $4, $5)
        RETURNING id";
    UPDATE = "UPDATE lineage SET integration_id = $1, role = $2, source = $3, state = $4, staged_at = $5 WHERE id = $6";
    DELETE = "DELETE FROM lineage WHERE id = $1";
    GET = concat!("SELECT ", columns!(), " FROM lineage WHERE id = $1");
    OF_INTEGRATION = concat!("SELECT ", columns!(), " FROM lineage WHERE integration_id = $1 ORDER BY id");
    PAGE = concat!("SELECT ", columns!(), " FROM lineage WHERE id > $1 ORDER BY id LIMIT $2");

    DOMAIN_PUT = "INSERT INTO lineage_domain (lineage_id, name, disabled, customer) VALUES ($1, $2, $3, $4)
        ON CONFLICT (lineage_id, name) DO UPDATE SET disabled = excluded.disabled, customer = excluded.customer";
    DOMAIN = "SELECT name, disabled, customer FROM lineage_domain WHERE lineage_id = $1 AND name = $2";
    DOMAIN_PAGE = "SELECT name, disabled, customer FROM lineage_domain WHERE lineage_id = $1 AND name > $2
        ORDER BY name LIMIT $3";
    DOMAINS_DELETE = "DELETE FROM lineage_domain WHERE lineage_id = $1";

    ACCOUNT_PUT = "INSERT INTO lineage_account (lineage_id, key, json) VALUES ($1, $2, $3)
        ON CONFLICT (lineage_id, key) DO UPDATE SET json = excluded.json";
    ACCOUNT = "SELECT key, json FROM lineage_account WHERE lineage_id = $1 AND key = $2";
    ACCOUNT_PAGE = "SELECT key, json FROM lineage_account WHERE lineage_id = $1 AND key > $2 ORDER BY key LIMIT $3";
    ACCOUNTS_DELETE = "DELETE FROM lineage_account WHERE lineage_id = $1";

    ALIAS_PUT = "INSERT INTO lineage_alias (lineage_id, address, targets) VALUES ($1, $2, $3)
        ON CONFLICT (lineage_id, address) DO UPDATE SET targets = excluded.targets";
    ALIAS = "SELECT address, targets FROM lineage_alias WHERE lineage_id = $1 AND address = $2";
    ALIAS_PAGE = "SELECT address, targets FROM lineage_alias WHERE lineage_id = $1 AND address > $2
        ORDER BY address LIMIT $3";
    ALIASES_DELETE = "DELETE FROM lineage_alias WHERE lineage_id = $1";

    SCRIPT_PUT = "INSERT INTO lineage_script (lineage_id, account_key, name, content, active)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (lineage_id, account_key, name) DO UPDATE SET content = excluded.content, active = excluded.active";
    SCRIPTS = "SELECT account_key, name, content, active FROM lineage_script WHERE lineage_id = $1 AND account_key = $2
        ORDER BY name";
    SCRIPT_PAGE = "SELECT account_key, name, content, active FROM lineage_script
        WHERE lineage_id = $1 AND (account_key, name) > ($2, $3) ORDER BY account_key, name LIMIT $4";
    SCRIPTS_DELETE = "DELETE FROM lineage_script WHERE lineage_id = $1";

    NOTICE_PUT = "INSERT INTO lineage_notice (lineage_id, seq, rule, place, text) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (lineage_id, seq) DO UPDATE SET rule = excluded.rule, place = excluded.place, text = excluded.text";
    NOTICE_PAGE = "SELECT seq, rule, place, text FROM lineage_notice WHERE lineage_id = $1 AND seq > $2
        ORDER BY seq LIMIT $3";
    NOTICES_DELETE = "DELETE FROM lineage_notice WHERE lineage_id = $1";
}
