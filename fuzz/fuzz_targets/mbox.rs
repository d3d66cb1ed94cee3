//! mbox files: ranges, postmarks and separators are all of the file, each byte once; every item can be read; UIDs ascend.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};
use source::mbox::{MboxScan, Variant, read_range, scan_file};
use std::fs::File;
use std::io::Write;

fuzz_target!(|input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    let variant = Variant::NAMES[usize::from(*first) % Variant::NAMES.len()].1;
    let mut file = File::from(memfd_create(c"mbox", MemfdFlags::CLOEXEC).expect("memory for a small file"));
    file.write_all(text).expect("memory for a small file");
    let scan = scan_file(&file, b"mbox", variant, u64::MAX).expect("a file in memory can be read");

    assert_covered(text, &scan);
    let mut last_uid = 0;
    let mut buffer = Vec::new();
    for item in &scan.items {
        let range = item.locator.range.expect("an item of an mbox has a range");
        read_range(&file, range, variant, u64::MAX, &mut buffer).expect("what was listed can be read");
        let lies = &text[range.0 as usize..(range.0 + range.1) as usize];
        match variant {
            Variant::Rd => assert!(buffer.len() <= lies.len()),
            _ => assert_eq!(buffer, lies),
        }
        if let Some(uid) = item.uid {
            assert!(uid > last_uid && Some(uid) < scan.uidnext && scan.uidvalidity.is_some());
            last_uid = uid;
        }
    }
});

fn assert_covered(text: &[u8], scan: &MboxScan) {
    let mut at = 0;
    let mut postmarks = 0;
    for item in &scan.items {
        let (start, length) = item.locator.range.expect("an item of an mbox has a range");
        let (start, end) = (start as usize, (start + length) as usize);
        assert!(at <= start && end <= text.len());
        let gap = &text[at..start];
        let postmark = gap.strip_prefix(b"\r\n").or(gap.strip_prefix(b"\n")).unwrap_or(gap);
        if start > 0 {
            postmarks += 1;
            assert!(postmark.starts_with(b"From "));
            let ends = postmark.iter().filter(|&&b| b == b'\n').count();
            assert!(ends == 1 && postmark.ends_with(b"\n") || ends == 0 && start == text.len());
        }
        at = end;
    }
    assert_eq!(postmarks, scan.postmarks);
    assert!([&b""[..], b"\n", b"\r\n"].contains(&&text[at..]));
}
