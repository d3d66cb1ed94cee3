//! Customers, domains and domain aliases.

statements! {
    CUSTOMER_INSERT = "INSERT INTO customer (name) VALUES ($1) RETURNING id";
    CUSTOMER_RENAME = "UPDATE customer SET name = $1 WHERE id = $2";
    CUSTOMER_DELETE = "DELETE FROM customer WHERE id = $1";
    CUSTOMER = "SELECT id, name FROM customer WHERE id = $1";
    CUSTOMER_BY_NAME = "SELECT id, name FROM customer WHERE name = $1";
    CUSTOMER_PAGE = "SELECT id, name FROM customer WHERE name > $1 ORDER BY name LIMIT $2";

    INSERT = "INSERT INTO domain (name, customer_id, disabled, created_at) VALUES ($1, $2, $3, $4)";
    UPDATE = "UPDATE domain SET customer_id = $1, disabled = $2 WHERE name = $3";
    DELETE = "DELETE FROM domain WHERE name = $1";
    GET = "SELECT name, customer_id, disabled, created_at FROM domain WHERE name = $1";
    PAGE = "SELECT name, customer_id, disabled, created_at FROM domain WHERE name > $1 ORDER BY name LIMIT $2";
    OF_CUSTOMER = "SELECT name FROM domain WHERE customer_id = $1 ORDER BY name";

    ALIAS_PUT = "INSERT INTO domain_alias (from_domain, to_domain) VALUES ($1, $2)
        ON CONFLICT (from_domain) DO UPDATE SET to_domain = excluded.to_domain";
    ALIAS_DELETE = "DELETE FROM domain_alias WHERE from_domain = $1";
    ALIAS = "SELECT from_domain, to_domain FROM domain_alias WHERE from_domain = $1";
    ALIAS_PAGE = "SELECT from_domain, to_domain FROM domain_alias WHERE from_domain > $1
        ORDER BY from_domain LIMIT $2";
}
