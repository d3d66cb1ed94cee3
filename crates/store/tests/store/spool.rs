//! The spool: what waits is there after whatever happens, and what is done does not come back.

mod basics;
mod crash;
mod crowd;
mod damage;
mod outcomes;
mod support;
mod tidy;
