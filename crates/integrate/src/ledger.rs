//! The ledger: what became of every message of every source (`RULES.md 10.2`).
