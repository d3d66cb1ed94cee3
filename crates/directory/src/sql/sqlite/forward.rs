//! What version 3 does to the forwards of before, which were rows of a table: each becomes the script that does the same.
//! The statements are of a schema that is gone once they have run.

use crate::error::DirectoryError;
use crate::settings::script_of_former;
use rusqlite::{Connection, params};

const FORMER: &str = "SELECT account_id, targets, keep_copy FROM forward ORDER BY account_id";
const PUT: &str = "INSERT INTO settings_script (account_id, content) VALUES ($1, $2)";
const DROP: &str = "DROP TABLE forward";

/// Moves every forward; what is no list of targets stops it, before anything is lost.
pub(super) fn move_to_scripts(connection: &Connection) -> Result<(), DirectoryError> {
    {
        let mut former = connection.prepare(FORMER)?;
        let mut put = connection.prepare(PUT)?;
        let mut rows = former.query([])?;
        while let Some(row) = rows.next()? {
            let (account, keep_copy) = (row.get::<_, i64>(0)?, row.get(2)?);
            let script = script_of_former(&crate::query::texts(row, 1)?, keep_copy);
            put.execute(params![account, script.as_bytes()])?;
        }
    }
    connection.execute(DROP, [])?;
    Ok(())
}
