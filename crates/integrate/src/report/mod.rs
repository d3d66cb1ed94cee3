//! Reports: JSON and one self-contained HTML page (`RULES.md 10.3`).
