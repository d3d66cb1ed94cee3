//! Plan: a pure function of two (or three) lineages of an account to decisions (`RULES.md` 2 to 6).

pub mod lineage;
