//! Passwd-files: every line is an account or a notice, and an account written again reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use source::passwd::parse;

fuzz_target!(|text: &[u8]| {
    let (accounts, notices) = parse(text, "users");
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text
        .split(|&b| b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count();
    assert!(accounts.len() <= lines && accounts.len() + notices.len() >= lines);

    for account in accounts {
        let hash = account.password_hash.as_deref().unwrap_or_default();
        let extra = if account.disabled { "nologin" } else { "" };
        let quota = account.quota_bytes.map(|bytes| format!(" userdb_quota_rule=*:bytes={bytes}")).unwrap_or_default();
        // A comment first, so that nothing in the address can be taken for the file's byte order mark.
        let line = format!("#\n{}:{hash}:0:0::::{extra}{quota}", account.address);
        let (again, _) = parse(line.as_bytes(), "again");
        assert_eq!(again.len(), usize::from(!account.address.as_str().starts_with('#')), "{line:?}");
        if let [again] = &again[..] {
            assert_eq!(again.address.as_str(), account.address.as_str());
            assert_eq!(again.password_hash, account.password_hash);
            assert_eq!((again.disabled, again.quota_bytes), (account.disabled, account.quota_bytes));
        }
    }
});
