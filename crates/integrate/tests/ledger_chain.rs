//! A ledger reads back as it was written, in both forms under one head, and nothing in it can change unseen
//! (`RULES.md 10.2`).
#![allow(clippy::unwrap_used)]

use integrate::ledger::{
    Checked, ConvertError, Fault, Format, Head, Header, HeaderSource, LedgerError, LedgerProblem, LedgerRow,
    LedgerWriter, LineageRole, MAX_LINE_BYTES, Outcome, PublicKey, SigningKey, Target, check, convert,
};
use message::{Digest, Identity};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn both_forms_hold_the_same_rows_under_one_head() {
    let (key, rows) = (key(), sample_rows());

    let (jsonl, jsonl_head) = write(&rows, Format::Jsonl, &key);
    let (csv, csv_head) = write(&rows, Format::Csv, &key);
    assert_eq!(jsonl_head, csv_head);

    let from_jsonl = check(&jsonl[..], Some(key.public())).unwrap();
    let from_csv = check(&csv[..], Some(key.public())).unwrap();
    assert_eq!((from_jsonl.format, from_csv.format), (Format::Jsonl, Format::Csv));
    assert_eq!(from_jsonl.header, header());
    assert_eq!(from_jsonl, Checked { format: Format::Jsonl, ..from_csv });
    assert_eq!(from_jsonl.head, jsonl_head.head);
    assert_eq!(from_jsonl.rows, rows.len() as u64);
    assert_eq!(from_jsonl.counts.before.kept, 2);
    assert_eq!(from_jsonl.counts.before.damaged, 1);
    assert_eq!(from_jsonl.counts.before.rows() + from_jsonl.counts.after.rows(), rows.len() as u64);
}

#[test]
fn either_form_becomes_the_other_byte_for_byte_without_the_key() {
    let (key, rows) = (key(), sample_rows());
    let written = FORMATS.map(|format| write(&rows, format, &key).0);
    for from in &written {
        for (format, expected) in FORMATS.into_iter().zip(&written) {
            let mut converted = Vec::new();
            let checked = convert(&from[..], format, &mut converted).unwrap();
            assert_eq!(&converted, expected);
            assert_eq!(checked.rows, rows.len() as u64);
        }
    }

    let mut changed = written[0].clone();
    let place = changed.len() / 2;
    changed[place] ^= 1;
    assert!(matches!(convert(&changed[..], Format::Csv, Vec::new()), Err(ConvertError::Ledger(_))));
    let mut no_room = [0; 10];
    assert!(matches!(convert(&written[0][..], Format::Csv, &mut no_room[..]), Err(ConvertError::Write(_))));
}

#[test]
fn a_ledger_without_rows_is_a_ledger() {
    for format in FORMATS {
        let (text, head) = write(&[], format, &key());
        assert_eq!(head.rows, 0);
        assert_eq!(check(&text[..], None).unwrap().rows, 0);
    }
}

#[test]
fn the_same_ledger_is_written_to_the_same_bytes() {
    let key = key();
    for format in FORMATS {
        assert_eq!(write(&sample_rows(), format, &key), write(&sample_rows(), format, &key));
    }
}

#[test]
fn without_a_key_the_check_says_that_it_compared_none() {
    let (text, head) = write(&sample_rows(), Format::Jsonl, &key());
    let checked = check(&text[..], None).unwrap();
    assert!(!checked.key_compared);
    assert_eq!(checked.public_key, head.public_key);
}

#[test]
fn any_byte_that_changes_is_found() {
    let key = key();
    for format in FORMATS {
        let (text, _) = write(&sample_rows(), format, &key);
        let mut changed = text.clone();
        for place in 0..text.len() {
            let others = (0..8).map(|bit| text[place] ^ 1 << bit).chain(*b"\n\"\0");
            for other in others.filter(|other| *other != text[place]) {
                changed[place] = other;
                assert!(
                    check(&changed[..], None).is_err(),
                    "{format:?}: byte {place} changed to {other:#04x} was not found: {}",
                    String::from_utf8_lossy(&text[place.saturating_sub(40)..(place + 40).min(text.len())])
                );
            }
            changed[place] = text[place];
        }
    }
}

#[test]
fn any_byte_that_is_put_in_or_taken_out_is_found() {
    let key = key();
    for format in FORMATS {
        let (text, _) = write(&sample_rows(), format, &key);
        for place in 0..=text.len() {
            for byte in *b"\n\"0" {
                let mut longer = text.clone();
                longer.insert(place, byte);
                assert!(check(&longer[..], None).is_err(), "{format:?}: {byte:#04x} put in at {place} was not found");
            }
            if place < text.len() {
                let mut shorter = text.clone();
                shorter.remove(place);
                assert!(check(&shorter[..], None).is_err(), "{format:?}: byte {place} taken out was not found");
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_found() {
    for format in FORMATS {
        let (text, _) = write(&sample_rows(), format, &key());
        for length in 0..text.len() {
            let problem = check(&text[..length], None).unwrap_err();
            assert!(
                matches!(problem.fault, Fault::CutShort { .. } | Fault::NotALedger | Fault::OpeningChanged),
                "{format:?} cut to {length} bytes: {problem}"
            );
        }
    }
}

#[test]
fn the_first_wrong_line_is_named_with_what_happened_to_it() {
    for format in FORMATS {
        let (text, _) = write(&sample_rows(), format, &key());
        // Where row 1 stands: after the opening record, which in CSV follows the column names.
        let first = if format == Format::Jsonl { 1 } else { 2 };
        let line_of = |row: usize| (first + row) as u64;
        let fault = |edit: &dyn Fn(&mut Vec<String>)| tamper(&text, edit);

        let problem = fault(&|lines| lines[first + 1] = lines[first + 1].replace("INBOX", "Sent"));
        assert_eq!(problem.line, line_of(2));
        assert!(matches!(problem.fault, Fault::RowChanged { seq: 2 }), "{problem}");

        let problem = fault(&|lines| {
            lines.remove(first + 1);
        });
        assert_eq!(problem.line, line_of(2));
        assert!(matches!(problem.fault, Fault::RowsMissing { first: 2, last: 2 }), "{problem}");

        let problem = fault(&|lines| {
            lines.drain(first..first + 2);
        });
        assert!(matches!(problem.fault, Fault::RowsMissing { first: 1, last: 2 }), "{problem}");

        let last = sample_rows().len() as u64;
        let problem = fault(&|lines| {
            lines.remove(lines.len() - 2);
        });
        assert!(
            matches!(problem.fault, Fault::RowsMissing { first, last: to } if (first, to) == (last, last)),
            "{problem}"
        );

        let problem = fault(&|lines| lines.swap(first + 1, first + 3));
        assert_eq!(problem.line, line_of(2));
        assert!(
            matches!(problem.fault, Fault::RowMoved { expected: 2, at_line } if at_line == line_of(4)),
            "{problem}"
        );

        let problem = fault(&|lines| lines.insert(first + 2, lines[first + 1].clone()));
        assert_eq!(problem.line, line_of(3));
        assert!(matches!(problem.fault, Fault::RowRepeated { seq: 2 }), "{problem}");

        let problem = fault(&|lines| lines[first + 1] = "hello\n".to_owned());
        assert!(matches!(problem.fault, Fault::NotARow { seq: 2 }), "{problem}");

        let problem = fault(&|lines| lines[first - 1] = lines[first - 1].replace("noviembre", "octubre"));
        assert_eq!(problem.line, line_of(0));
        assert!(matches!(problem.fault, Fault::OpeningChanged), "{problem}");

        let problem = fault(&|lines| {
            lines.pop();
        });
        assert!(matches!(problem.fault, Fault::CutShort { rows } if rows == last), "{problem}");

        let problem = fault(&|lines| lines.push("\n".to_owned()));
        assert!(matches!(problem.fault, Fault::AfterTheEnd), "{problem}");

        let problem = fault(&|lines| lines.iter_mut().for_each(|line| *line = line.replace('\n', "\r\n")));
        assert!(matches!(problem.fault, Fault::LineEndings), "{problem}");
    }
}

#[test]
fn a_changed_row_number_is_a_changed_row() {
    let (text, _) = write(&sample_rows(), Format::Jsonl, &key());
    let problem = tamper(&text, &|lines| lines[2] = lines[2].replace("{\"seq\":2,", "{\"seq\":9,"));
    assert_eq!(problem.line, 3);
    assert!(matches!(problem.fault, Fault::RowChanged { seq: 2 }), "{problem}");
}

#[test]
fn a_ledger_signed_anew_by_somebody_else_is_found_with_the_key() {
    let (platform, stranger) = (key(), key());
    for format in FORMATS {
        let mut rows = sample_rows();
        rows[3].outcome = Outcome::Kept;
        let (forged, _) = write(&rows, format, &stranger);

        assert!(!check(&forged[..], None).unwrap().key_compared);
        let problem = check(&forged[..], Some(platform.public())).unwrap_err();
        assert!(matches!(&problem.fault, Fault::OtherKey { expected, found }
            if expected == platform.public() && found == stranger.public()));
        assert!(problem.what_to_do().contains("public key"));
    }
}

#[test]
fn a_closing_record_of_another_ledger_does_not_fit() {
    let key = key();
    for format in FORMATS {
        let (mine, _) = write(&sample_rows(), format, &key);
        let mut rows = sample_rows();
        rows[0].size_bytes += 1;
        let (other, _) = write(&rows, format, &key);

        let problem = tamper(&mine, &|lines| {
            let closing = String::from_utf8(other.clone()).unwrap().lines().last().unwrap().to_owned();
            *lines.last_mut().unwrap() = closing + "\n";
        });
        assert!(matches!(problem.fault, Fault::ClosingChanged { what: "head" }), "{problem}");
    }
}

#[test]
fn a_signature_that_is_well_formed_but_not_of_this_ledger_is_found() {
    let key = key();
    let (mine, _) = write(&sample_rows(), Format::Jsonl, &key);
    let (other, _) = write(&sample_rows()[..2], Format::Jsonl, &key);
    let signature = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.split_once("\"signature\":\"").unwrap().1[..128].to_owned()
    };
    let problem = tamper(&mine, &|lines| {
        let closing = lines.last_mut().unwrap();
        *closing = closing.replace(&signature(&mine), &signature(&other));
    });
    assert!(matches!(problem.fault, Fault::SignatureWrong), "{problem}");
}

#[test]
fn files_that_are_no_ledger_are_refused_in_bounded_memory() {
    for text in [&b""[..], b"\n", b"hello\n", b"{}\n", b"record,nonsense\n", b"\xff\xfe", b"{\"reintegra_ledger\":1\n"]
    {
        assert!(check(text, None).is_err());
    }
    assert!(matches!(check(&b"subject: hi\n"[..], None).unwrap_err().fault, Fault::NotALedger));
    let newer = b"{\"reintegra_ledger\":2,\"integration\":1,\"chain\":\"";
    let newer = [&newer[..], &[b'0'; 64], b"\"}\n"].concat();
    assert!(matches!(check(&newer[..], None).unwrap_err().fault, Fault::UnknownVersion { found } if found == "2"));

    // A line that never ends, as far as this test is concerned.
    let endless = std::io::Read::chain(&b"{\"reintegra_ledger\":"[..], std::io::repeat(b'1'));
    assert!(matches!(check(endless, None).unwrap_err().fault, Fault::LineTooLong));

    let (text, _) = write(&sample_rows(), Format::Csv, &key());
    let endless = std::io::Read::chain(&text[..text.len() / 2], std::io::repeat(b'\"'));
    assert!(matches!(check(endless, None).unwrap_err().fault, Fault::LineTooLong));

    let deep = [b"{\"reintegra_ledger\":1,\"integration\":1,\"policy\":".to_vec(), vec![b'['; 100_000], b"\n".to_vec()];
    assert!(check(&deep.concat()[..], None).is_err());
}

#[test]
fn a_writer_takes_only_the_next_row_of_its_integration() {
    let rows = sample_rows();
    let mut writer = LedgerWriter::new(Vec::new(), &header(), Format::Jsonl).unwrap();
    assert!(matches!(writer.push(&rows[1]), Err(LedgerError::OutOfOrder { expected: 1, found: 2 })));
    let stranger = LedgerRow { integration: 8, ..rows[0].clone() };
    assert!(matches!(writer.push(&stranger), Err(LedgerError::OtherIntegration { expected: 7, found: 8, .. })));
    let huge = LedgerRow { path: "x".repeat(MAX_LINE_BYTES), ..rows[0].clone() };
    assert!(matches!(writer.push(&huge), Err(LedgerError::TooLong { seq: 1 })));
}

#[test]
fn no_cell_of_the_csv_is_a_formula_and_every_record_is_one_line() {
    let mut rows = sample_rows();
    rows[0].path = "=HYPERLINK(\"https://example.net\")".to_owned();
    rows[0].mailbox = Some("@SUM(A1)".to_owned());
    rows[0].uidl = Some("-2+3\nrow,9".to_owned());
    rows[0].mended = vec!["+1|=2".to_owned(), "=3".to_owned()];
    let (text, head) = write(&rows, Format::Csv, &key());
    assert_eq!(check(&text[..], None).unwrap().head, head.head);

    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), rows.len() + 3);
    let mut reader = csv::ReaderBuilder::new().from_reader(&text[..]);
    let columns = reader.headers().unwrap().len();
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(record.len(), columns);
        for cell in &record {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?} would run in a spreadsheet");
        }
    }
}

#[test]
fn every_fault_says_why_and_what_to_do() {
    let (text, _) = write(&sample_rows(), Format::Jsonl, &key());
    let problems = [
        check(&b""[..], None).unwrap_err(),
        check(&text[..text.len() - 1], None).unwrap_err(),
        check(&text[..], Some(key().public())).unwrap_err(),
        tamper(&text, &|lines| lines.swap(1, 2)),
        tamper(&text, &|lines| lines.push("x\n".to_owned())),
    ];
    let answers: BTreeSet<_> = problems.iter().map(|p| (p.to_string(), p.why(), p.what_to_do())).collect();
    assert_eq!(answers.len(), problems.len());
    for (what, why, what_to_do) in answers {
        assert!(what.starts_with("line ") && why.ends_with('.') && what_to_do.ends_with('.'), "{what}: {why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_row_says_reads_back_in_both_forms(rows in prop::collection::vec(any_row(), 0..6)) {
        let rows: Vec<_> = rows.into_iter().zip(1..).map(|(row, seq)| LedgerRow { seq, ..row }).collect();
        let key = key();
        let (jsonl, jsonl_head) = write(&rows, Format::Jsonl, &key);
        let (csv, csv_head) = write(&rows, Format::Csv, &key);
        prop_assert_eq!(&jsonl_head, &csv_head);
        prop_assert_eq!(check(&jsonl[..], None).unwrap().head, jsonl_head.head);
        prop_assert_eq!(check(&csv[..], None).unwrap().head, csv_head.head);
    }

    #[test]
    fn no_bytes_make_the_checker_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400), place in any::<prop::sample::Index>(), csv in any::<bool>()
    ) {
        let (mut text, _) = write(&sample_rows(), if csv { Format::Csv } else { Format::Jsonl }, &key());
        let place = place.index(text.len());
        let end = (place + bytes.len()).min(text.len());
        let same = text[place..end] == bytes;
        text.splice(place..end, bytes);
        prop_assert!(same || check(&text[..], None).is_err());
    }
}

const FORMATS: [Format; 2] = [Format::Jsonl, Format::Csv];

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

fn header() -> Header {
    Header {
        integration: 7,
        label: "Regreso del 29 de noviembre, \"ejemplo\"".to_owned(),
        policy: serde_json::json!({ "join_twins": false, "keep_uids": null }),
        sources: vec![HeaderSource {
            lineage: LineageRole::Before,
            description: "maildir tree /srv/before".to_owned(),
            items: 4,
        }],
        started: 1_795_939_200,
        finished: Some(1_795_948_320),
        tool_version: "reintegra 0.1.0".to_owned(),
    }
}

/// Rows of every kind that matters to the form: whole, sparse, with texts that need care.
fn sample_rows() -> Vec<LedgerRow> {
    let plain = LedgerRow {
        seq: 1,
        integration: 7,
        lineage: LineageRole::Before,
        account: Some("ana@example.org".to_owned()),
        mailbox: Some("INBOX".to_owned()),
        path: "mail/example.org/ana/Maildir/cur/1.M2,S=9:2,S".to_owned(),
        offset: None,
        length: None,
        uid: Some(1),
        uidvalidity: Some(1_700_000_000),
        uidl: None,
        size_bytes: 9,
        digest: Some(Digest([1; 32])),
        identity: Some(Identity([2; 32])),
        outcome: Outcome::Kept,
        damaged: false,
        reason: None,
        rules: vec!["3.2".to_owned()],
        target: Some(Target {
            account: "ana@example.org".to_owned(),
            mailbox: "INBOX".to_owned(),
            uidvalidity: 1_700_000_000,
            uid: 1,
            uidl: None,
            digest: Digest([1; 32]),
        }),
        was_in: None,
        mended: vec![],
        verified: Some(true),
    };
    let unreadable = LedgerRow {
        seq: 3,
        digest: None,
        identity: None,
        outcome: Outcome::Unreadable,
        reason: Some("it is empty".to_owned()),
        target: None,
        verified: None,
        ..plain.clone()
    };
    vec![
        plain.clone(),
        LedgerRow {
            seq: 2,
            lineage: LineageRole::After,
            outcome: Outcome::SameAs,
            uidl: Some("'a\"b,c|d\\e".to_owned()),
            was_in: Some(String::new()),
            mended: vec![String::new(), "the list repeats UID 2".to_owned()],
            verified: Some(false),
            ..plain.clone()
        },
        unreadable,
        LedgerRow { seq: 4, damaged: true, offset: Some(0), length: Some(u64::MAX), rules: vec![], ..plain },
    ]
}

fn write(rows: &[LedgerRow], format: Format, key: &SigningKey) -> (Vec<u8>, Head) {
    let mut text = Vec::new();
    let mut writer = LedgerWriter::new(&mut text, &header(), format).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    let head = writer.finish(key).unwrap();
    (text, head)
}

/// Edits the lines of a ledger and gives what the check says of the result.
fn tamper(text: &[u8], edit: &dyn Fn(&mut Vec<String>)) -> LedgerProblem {
    let mut lines: Vec<String> =
        String::from_utf8(text.to_vec()).unwrap().split_inclusive('\n').map(str::to_owned).collect();
    edit(&mut lines);
    check(lines.concat().as_bytes(), None::<&PublicKey>).unwrap_err()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[='+@,\"|\\\\u{}\n\r\t -]{0,8}", Just(String::new())]
}

fn any_target() -> impl Strategy<Value = Target> {
    (any_text(), any_text(), any::<(u32, u32)>(), prop::option::of(any_text()), any::<[u8; 32]>()).prop_map(
        |(account, mailbox, (uidvalidity, uid), uidl, digest)| Target {
            account,
            mailbox,
            uidvalidity,
            uid,
            uidl,
            digest: Digest(digest),
        },
    )
}

fn any_row() -> impl Strategy<Value = LedgerRow> {
    let texts = (any_text(), prop::array::uniform5(prop::option::of(any_text())));
    let lists = prop::array::uniform2(prop::collection::vec(any_text(), 0..3));
    let numbers = any::<(Option<u64>, Option<u64>, Option<u32>, Option<u32>, u64, bool, Option<bool>)>();
    let hashes = any::<(Option<[u8; 32]>, Option<[u8; 32]>)>();
    let kinds = (prop::sample::select(&LineageRole::ALL[..]), prop::sample::select(&Outcome::ALL[..]));
    (texts, lists, numbers, hashes, kinds, prop::option::of(any_target())).prop_map(
        |((path, [account, mailbox, uidl, reason, was_in]), [rules, mended], numbers, hashes, kinds, target)| {
            let (offset, length, uid, uidvalidity, size_bytes, damaged, verified) = numbers;
            LedgerRow {
                seq: 0,
                integration: 7,
                lineage: kinds.0,
                account,
                mailbox,
                path,
                offset,
                length,
                uid,
                uidvalidity,
                uidl,
                size_bytes,
                digest: hashes.0.map(Digest),
                identity: hashes.1.map(Identity),
                outcome: kinds.1,
                damaged,
                reason,
                rules,
                target,
                was_in,
                mended,
                verified,
            }
        },
    )
}
