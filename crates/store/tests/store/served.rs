//! Served mailboxes: every change against a model, pictures of them in memory, and crowds.

mod crowd;
mod images;
mod mailboxes;
mod messages;
mod model;
mod power_cut;
mod support;
