//! UID lists: entries lie in the text, in order and apart, and a list of just these lines gives the same entries.

#![no_main]

use libfuzzer_sys::fuzz_target;
use source::uidlist::parse;

fuzz_target!(|text: &[u8]| {
    let list = parse(text);
    let mut end = 0;
    let mut again = text.split_inclusive(|&b| b == b'\n').next().unwrap_or_default().to_vec();
    for entry in &list.entries {
        let (start, length) = (entry.line.0 as usize, entry.line.1 as usize);
        assert!(end <= start && start + length < text.len());
        let line = &text[start..start + length];
        end = start + length;
        assert!((1..u32::MAX).contains(&entry.uid));
        assert!(!entry.name.is_empty() && !entry.name.iter().any(|b| b":/\n\0".contains(b)));
        assert!(line.windows(entry.name.len()).any(|window| window == entry.name));
        again.extend_from_slice(line);
        again.push(b'\n');
    }
    let second = parse(&again);
    assert_eq!((second.uidvalidity, second.uidnext), (list.uidvalidity, list.uidnext));
    let bare = |list: &source::uidlist::UidList<'_>| {
        list.entries.iter().map(|e| (e.uid, e.name.to_vec(), e.uidl.map(<[u8]>::to_vec), e.size)).collect::<Vec<_>>()
    };
    assert_eq!(bare(&second), bare(&list));
});
