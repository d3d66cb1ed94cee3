//! The index of a cell: everything about its messages but their bytes, in SQL.
//!
//! All SQL on the index is in this folder. What differs by engine is kept to [`sqlite`] (opening, pragmas, the DDL);
//! the statements in [`rows`] are plain SQL.

pub(crate) mod blobs;
pub(crate) mod delivered;
pub(crate) mod rows;
pub(crate) mod served;
pub(crate) mod sqlite;
