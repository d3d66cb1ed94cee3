//! What looks into a message: parts lie inside each other, every part has its number, folding and base subjects are
//! final, and everything else is called for its panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::mime::{self, Content, Part, SectionText};
use message::{envelope, subject, text};
use std::ops::Range;

fuzz_target!(|raw: &[u8]| {
    let crlf = message::to_crlf(raw);
    let message = mime::parse(&crlf);
    assert_eq!(message.header.start..message.body.end, 0..crlf.len());
    check(&crlf, &message, &message, 0..crlf.len(), &mut Vec::new());

    let envelope = envelope::parse(&crlf);
    assert!(envelope.from.is_empty() || !envelope.sender.is_empty() && !envelope.reply_to.is_empty());
    subject::sent_date(&crlf);
    let text = text::searchable(&crlf);
    let folded = text::fold(&text.body);
    assert_eq!(text::fold(&folded), folded);
    text::casemap(&text.header);
    assert!(text::preview(&crlf).chars().count() <= 200);
    let (base, _) = subject::base_subject(&text.header);
    assert_eq!(subject::base_subject(&base), (base, false));
});

/// Checks a part that lies `within` a range, and those inside it.
fn check(crlf: &[u8], message: &Part, part: &Part, within: Range<usize>, number: &mut Vec<u32>) {
    assert!(within.start <= part.header.start && part.header.start <= part.header.end);
    assert!(part.header.end <= part.body.start && part.body.start <= part.body.end && part.body.end <= within.end);
    assert_eq!(message.find(number), Some(part));
    if !number.is_empty() {
        assert_eq!(message.section(number, SectionText::All), Some(part.body.clone()));
        assert_eq!(message.section(number, SectionText::Mime), Some(part.header.clone()));
    }
    let _ = mime::decode_body(part, &crlf[part.body.clone()]);
    mime::header_fields(&crlf[part.header.clone()], &["Subject"], true);
    part.file_name();
    match &part.content {
        Content::Multipart(children) => check_children(crlf, message, part, children, number),
        // The body of a message that is no multipart is its part 1.
        _ if number.is_empty() => check_numbered(crlf, message, part, within, number, 1),
        Content::Message(inner) => match &inner.content {
            Content::Multipart(children) => check_children(crlf, message, inner, children, number),
            _ => check_numbered(crlf, message, inner, part.body.clone(), number, 1),
        },
        Content::Leaf => {}
    }
}

fn check_numbered(crlf: &[u8], message: &Part, part: &Part, within: Range<usize>, number: &mut Vec<u32>, at: u32) {
    number.push(at);
    check(crlf, message, part, within, number);
    number.pop();
}

fn check_children(crlf: &[u8], message: &Part, part: &Part, children: &[Part], number: &mut Vec<u32>) {
    let mut from = part.body.start;
    for (child, at) in children.iter().zip(1..) {
        check_numbered(crlf, message, child, from..part.body.end, number, at);
        from = child.body.end;
    }
}
