//! Aliases.

statements! {
    PUT = "INSERT INTO alias (key, address, domain, targets, enabled) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO UPDATE SET address = excluded.address, targets = excluded.targets,
        enabled = excluded.enabled";
    DELETE = "DELETE FROM alias WHERE key = $1";
    GET = "SELECT key, address, domain, targets, enabled FROM alias WHERE key = $1";
    PAGE = "SELECT key, address, domain, targets, enabled FROM alias WHERE (domain, key) > ($1, $2)
        ORDER BY domain, key LIMIT $3";
    DOMAIN_PAGE = "SELECT key, address, domain, targets, enabled FROM alias WHERE domain = $1 AND key > $2
        ORDER BY key LIMIT $3";
}
