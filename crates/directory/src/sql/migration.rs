//! Which migrations a database has been through.

statements! {
    LIST = "SELECT number, checksum FROM schema_migration ORDER BY number";
    INSERT = "INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";
}
