//! Cells: segments and their index; mailboxes, messages, flags, UIDs.

pub mod disk;
