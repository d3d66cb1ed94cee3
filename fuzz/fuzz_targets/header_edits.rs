//! Header edits: whatever is changed in whatever order, the fields are those of a list that was changed likewise, the body
//! stays, and no text becomes more than the one field that it was meant to be.
//!
//! The input is lines of changes (`<name:value` above all, `>name:value` below all, `-name` all of a name, `1name` the first),
//! a NUL, and a message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{HeaderEdits, NewField, decoded_header, header, to_crlf};

/// A field as it is found again: name and value.
type Found = (Vec<u8>, Vec<u8>);

fn found(field: &header::Field<'_>) -> Found {
    (field.name().to_vec(), field.value().into_owned())
}

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (changes, message) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    let message = to_crlf(message);
    let header_bytes = HeaderEdits::new().header(&message).1;
    let mut list: Vec<Found> = header::fields(&message).map(|field| found(&field)).collect();
    let mut edits = HeaderEdits::new();
    for change in String::from_utf8_lossy(changes).split('\n').take(50) {
        let mut chars = change.chars();
        let kind = chars.next().unwrap_or(' ');
        let (name, value) = chars.as_str().split_once(':').unwrap_or((chars.as_str(), ""));
        match kind {
            '<' | '>' => {
                let Ok(field) = NewField::new(name, value) else { continue };
                let read: Vec<Found> = header::fields(field.as_bytes()).map(|field| found(&field)).collect();
                assert!(field.as_bytes().is_ascii() && read.len() == 1 && read[0].0 == name.as_bytes());
                // Of longer ones less is read, and readers take a byte order mark for none of the text.
                if value.len() < 4096 && !value.contains('\u{feff}') {
                    let unseen = |c: &char| !c.is_control() && !"\u{200e}\u{200f}".contains(*c);
                    let turns =
                        |c: &char| ('\u{202a}'..='\u{202e}').contains(c) || ('\u{2066}'..='\u{2069}').contains(c);
                    let text = value.trim_matches([' ', '\t']).replace(['\t', '\u{2028}', '\u{2029}'], " ");
                    let text: String = text.chars().filter(unseen).filter(|c| !turns(c)).collect();
                    assert_eq!(decoded_header(&read[0].1), text);
                }
                let place = if kind == '<' { 0 } else { list.len() };
                list.insert(place, read[0].clone());
                if kind == '<' { edits.add_first(field) } else { edits.add_last(field) }
            }
            '-' | '1' => {
                let most = if kind == '1' { 1 } else { usize::MAX };
                let places = edits.fields(&message).filter(|(_, field)| field.is(name)).map(|(place, _)| place);
                let places = places.take(most).collect();
                edits.take_out(places);
                let mut left = most;
                list.retain(|(other, _)| {
                    let goes = other.eq_ignore_ascii_case(name.as_bytes()) && left > 0;
                    left -= usize::from(goes);
                    !goes
                });
            }
            _ => continue,
        }
        let edited = edits.apply(&message);
        let now: Vec<Found> = edits.fields(&message).map(|(_, field)| found(&field)).collect();
        let read: Vec<Found> = header::fields(&edited).map(|field| found(&field)).collect();
        assert_eq!(now, read, "what is said to be there is there");
        assert!(edited.ends_with(&message[header_bytes..]), "the body stays");
        assert_eq!(read, list);
    }
});
