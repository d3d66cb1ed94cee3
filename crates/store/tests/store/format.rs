//! `docs/formats/segment.md` is enough to read a segment: a reader written from that page alone, and its constants.

use message::{Flags, Keyword};
use store::segment::record::{HEAD_LEN, MAX_META_LEN, SEGMENT_HEAD_LEN};
use store::spool::{DeliveryId, Envelope, NewMail, NewRecipient, Notify, Purpose, Return, Spool};
use store::{Delivery, Origin, Store, Traits};

use crate::support::{DATE, address, delivery, digest, make_account, name, options, prepared, raw, scratch};

const PAGE: &str = include_str!("../../../../docs/formats/segment.md");

/// The rows `| offset | length | field |` of the table under a heading of the page.
fn table(heading: &str) -> Vec<(usize, usize)> {
    let (_, rest) = PAGE.split_once(&format!("## {heading}\n")).expect("the page has the heading");
    let section = rest.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix('|')).map(|line| line.split('|').map(str::trim));
    cells.filter_map(|mut row| Some((row.next()?.parse().ok()?, row.next()?.parse().ok()?))).collect()
}

#[test]
fn the_tables_leave_no_gap_and_end_where_the_constants_say() {
    for (heading, length) in [("Head of a segment", SEGMENT_HEAD_LEN), ("Head of a record", HEAD_LEN)] {
        let rows = table(heading);
        let end = rows.iter().fold(0, |end, (offset, length)| {
            assert_eq!(*offset, end, "{heading}");
            end + length
        });
        assert_eq!(end, length, "{heading}");
    }
    assert!(PAGE.contains(&format!("at most {MAX_META_LEN} bytes")));
}

/// Reads values as the page describes them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn fixed(&mut self, length: usize) -> u64 {
        self.take(length).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn unsigned(&mut self) -> u64 {
        let byte = self.fixed(1);
        if byte < 0x80 { byte } else { byte & 0x7f | self.unsigned() << 7 }
    }

    fn signed(&mut self) -> i64 {
        let value = self.unsigned();
        if value.is_multiple_of(2) { (value / 2) as i64 } else { -((value / 2) as i64) - 1 }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.unsigned();
        self.take(length as usize)
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn optional_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.unsigned().checked_sub(1)?;
        Some(self.take(length as usize))
    }

    fn optional_hash(&mut self) -> Option<u64> {
        (self.fixed(1) == 1).then(|| self.fixed(8))
    }
}

struct Record<'a> {
    kind: u64,
    codec: u64,
    digest: &'a [u8],
    meta: &'a [u8],
    raw: Vec<u8>,
}

fn crc(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)
}

/// Base64 of bytes, one character after the other.
fn base64(bytes: &[u8], line: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = Vec::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(three.get(i).copied().unwrap_or(0)));
        letters.extend((0..4).map(|i| if i > three.len() { b'=' } else { LETTERS[bits >> (18 - 6 * i) & 63] }));
    }
    letters.chunks(line).collect::<Vec<_>>().join(&b"\r\n"[..])
}

/// The raw bytes of codec 3.
fn joined(stored: &[u8]) -> Vec<u8> {
    let (rest, trailer) = stored.split_at(stored.len() - 4);
    let (blocks, directory) = rest.split_at(rest.len() - Reader(trailer).fixed(4) as usize);
    let mut d = Reader(directory);
    let (packed_len, mut rows) = (d.unsigned() as usize, Vec::new());
    while !d.0.is_empty() {
        rows.push((d.unsigned() as usize, d.unsigned() as usize, d.unsigned() as usize, d.fixed(1)));
    }
    let (plain, packed) = blocks.split_at(rows.iter().filter(|row| row.3 == 0).map(|row| row.2).sum());
    let packed = if packed.len() == packed_len { packed.to_vec() } else { zstd::decode_all(packed).unwrap() };
    assert_eq!(packed.len(), packed_len);
    let (mut plain, mut packed, mut raw) = (Reader(plain), Reader(&packed), Vec::new());
    for (text, line, bytes, place) in rows {
        raw.extend_from_slice(packed.take(text));
        let from = if place == 0 { &mut plain } else { &mut packed };
        raw.extend(base64(from.take(bytes), line));
    }
    raw.extend_from_slice(packed.0);
    assert_eq!(plain.0, b"");
    raw
}

/// Every record of a cell's or the queue's segment; all checksums are checked.
fn records(segment: &[u8], number: u64, owner: u64) -> Vec<Record<'_>> {
    let mut head = Reader(segment);
    assert_eq!(head.take(8), b"RTGSEG01");
    assert_eq!((head.fixed(4), head.fixed(4)), (number, owner));
    head.take(16 + 8 + 20);
    assert_eq!(head.fixed(4), crc(&segment[..60]));
    let mut found = Vec::new();
    let mut position = 64;
    while segment[position..].starts_with(b"RTG1") {
        let mut head = Reader(&segment[position + 4..]);
        let (kind, codec) = (head.fixed(1), head.fixed(1));
        assert_eq!(head.fixed(2), 0);
        assert_eq!((head.fixed(8), head.fixed(4)), (position as u64, number));
        let (meta_len, raw_len, stored_len) = (head.fixed(4) as usize, head.fixed(8), head.fixed(8) as usize);
        let digest = head.take(32);
        let (stored_crc, head_crc) = (head.fixed(4), head.fixed(4));
        let (meta, stored) = (head.take(meta_len), head.take(stored_len));
        assert_eq!(head_crc, crc(&[&segment[position..position + 76], meta].concat()));
        assert_eq!(stored_crc, crc(stored));
        let raw = match codec {
            0 => Vec::new(),
            1 => stored.to_vec(),
            2 => zstd::decode_all(stored).unwrap(),
            3 => joined(stored),
            other => panic!("codec {other}"),
        };
        assert!(codec == 0 || (raw.len() as u64, blake3::hash(&raw).as_bytes().as_slice()) == (raw_len, digest));
        found.push(Record { kind, codec, digest, meta, raw });
        position += (80 + meta_len + stored_len).next_multiple_of(8);
    }
    assert!(segment[position..].iter().all(|b| *b == 0));
    found
}

#[test]
fn a_reader_made_from_the_page_understands_every_kind_of_record() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "Ana@example.org", 1000);
    let cell = &store.cells()[0];
    let origin = Origin {
        path: b"cur/\xff".to_vec(),
        range: Some((4, 9)),
        length_bytes: 300,
        modified_ns: -7,
        changed_ns: 8,
        inode: 9,
        mended: Some("{}".into()),
    };
    let full = Delivery {
        uid: Some(300),
        flags: Flags::SEEN | Flags::FORWARDED,
        keywords: vec![Keyword::new("$A").unwrap(), Keyword::new("b").unwrap()],
        internal_date: -1,
        uidl: Some("U".into()),
        traits: Traits::ENDS_EARLY,
        item: Some((5, 2, origin)),
        id: Some(DeliveryId(*b"names a delivery")),
        ..delivery(&ana, inbox, "a*500")
    };
    cell.deliver(vec![full, delivery(&ana, inbox, "a*500"), delivery(&ana, inbox, &"b ".repeat(400))]).unwrap();
    cell.subscribe(ana.id, &name("Listas"), true).unwrap().unwrap();
    let entry = |value: &[u8]| vec![("/Private/Comment".to_owned(), Some(value.to_vec()))];
    cell.set_annotations(ana.id, None, entry(b"s")).unwrap().unwrap();
    cell.set_annotations(ana.id, Some(inbox), entry(b"\xff")).unwrap().unwrap();
    cell.write(|tx| {
        tx.expunge(ana.id, inbox, 302, 1)?;
        tx.describe(ana.id)?;
        tx.create_account(store::LineageId(-4), &address("bob@example.org")).map(|_| ())
    })
    .unwrap();
    cell.flush_manifests().unwrap();
    cell.forget_lineage(store::LineageId(-4)).unwrap();
    cell.write(|tx| tx.remove_account(&ana)).unwrap();
    cell.flush_manifests().unwrap();
    store.settle().unwrap();

    let segment = std::fs::read(home.path().join("cells/00/segments/00000001.seg")).unwrap();
    let found = records(&segment, 1, 0);
    assert_eq!(
        found.iter().map(|r| (r.kind, r.codec)).collect::<Vec<_>>(),
        [(1, 1), (1, 0), (1, 2), (2, 2), (3, 0), (2, 0)]
    );

    // A delivery, field by field.
    assert_eq!(found[0].raw, raw("a*500"));
    let mut d = Reader(found[0].meta);
    assert_eq!((d.signed(), d.signed(), d.text(), d.signed(), d.text()), (0, ana.id.0, "Ana@example.org", 1, "INBOX"));
    assert_eq!((d.unsigned(), d.unsigned(), d.unsigned(), d.signed()), (1000, 300, 1, -1));
    assert!(d.signed() > DATE, "saved now");
    assert_eq!((d.fixed(1), d.fixed(1), d.text()), (1 + 32, 2, "$A b"));
    assert_eq!(d.optional_bytes(), Some(&b"U"[..]));
    let seen = message::examine(&raw("a*500"));
    assert_eq!(d.take(32), seen.identity.as_bytes());
    assert_eq!((d.optional_hash(), d.optional_hash()), (seen.message_id, seen.first_field));
    assert_eq!((d.fixed(1), d.signed(), d.fixed(1), d.bytes()), (1, 5, 2, &b"cur/\xff"[..]));
    assert_eq!((d.unsigned(), d.unsigned(), d.unsigned()), (5, 10, 300));
    assert_eq!((d.signed(), d.signed(), d.unsigned(), d.optional_bytes()), (-7, 8, 9, Some(&b"{}"[..])));
    assert_eq!((d.fixed(1), d.take(16), d.0), (1, &b"names a delivery"[..], &b""[..]));
    // The same bytes again, named by their digest.
    assert_eq!(found[1].digest, digest(&raw("a*500")).as_bytes());

    // A manifest.
    let mut meta = Reader(found[3].meta);
    assert_eq!((meta.signed(), meta.text(), meta.unsigned()), (ana.id.0, "Ana@example.org", 1));
    let mut m = Reader(&found[3].raw);
    assert_eq!((m.unsigned(), m.unsigned(), m.signed(), m.text()), (2, 1, 1, "INBOX"));
    assert_eq!((m.unsigned(), m.unsigned(), m.unsigned()), (1000, 303, 1), "what comes together has one sequence");
    assert_eq!((m.unsigned(), m.unsigned(), m.unsigned()), (0, 1, 2), "no special use, subscribed, two messages");
    let (mut uid, mut date) = (0, 0);
    for (expected_uid, modseq, expected_date) in [(300, 1, -1), (301, 1, DATE)] {
        uid += m.unsigned();
        date += m.signed();
        assert_eq!((uid, date), (expected_uid, expected_date));
        assert!(m.signed() > DATE);
        assert_eq!(m.unsigned(), modseq);
        let (flags, traits, keywords, uidl) = (m.fixed(1), m.fixed(1), m.text(), m.optional_bytes());
        let full = (33, 2, "$A b", Some(&b"U"[..]));
        assert_eq!((flags, traits, keywords, uidl), if uid == 300 { full } else { (1, 0, "", None) });
        assert_eq!(m.take(32), digest(&raw("a*500")).as_bytes());
    }
    assert_eq!((m.unsigned(), m.unsigned(), m.unsigned()), (1, 302, 1));
    assert_eq!(m.optional_bytes(), Some(&message::examine(&raw(&"b ".repeat(400))).identity.as_bytes()[..]));
    assert_eq!((m.unsigned(), m.text()), (1, "Listas"));
    assert_eq!((m.unsigned(), m.signed(), m.text(), m.bytes()), (2, 0, "/private/comment", &b"s"[..]));
    assert_eq!((m.signed(), m.text(), m.bytes()), (1, "/private/comment", &b"\xff"[..]));
    assert_eq!(m.0, b"");

    // A lineage forgotten, and an account removed.
    assert_eq!(found[4].meta, (-4i64).to_le_bytes());
    let mut meta = Reader(found[5].meta);
    assert_eq!((meta.signed(), meta.text(), meta.unsigned()), (ana.id.0, "ana@example.org", 0));
}

#[test]
fn a_reader_made_from_the_page_makes_attachments_again() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let head = b"Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n".to_vec();
    let parts = [raw("picture*40000"), b"name;amount\r\n".repeat(900)];
    let mut message = head;
    for (part, line) in parts.iter().zip([76, 64]) {
        message.extend(base64(part, line));
        message.extend_from_slice(b"\r\n--b\r\n\r\n");
    }
    let sent = Delivery { message: prepared(&message), ..delivery(&ana, inbox, "two") };
    store.cells()[0].deliver(vec![sent]).unwrap();
    store.settle().unwrap();

    let segment = std::fs::read(home.path().join("cells/00/segments/00000001.seg")).unwrap();
    let found = records(&segment, 1, 0);
    assert_eq!((found[0].kind, found[0].codec), (1, 3));
    assert_eq!(found[0].raw, message);
    assert_eq!(found[0].digest, digest(&message).as_bytes());
    assert!(segment.windows(1000).any(|part| part == &parts[0][10_000..11_000]), "the picture lies there as it is");
}

#[test]
fn a_reader_made_from_the_page_understands_what_waits() {
    let home = scratch();
    let spool = Spool::open(home.path(), options()).unwrap();
    let recipient = |address: &str, hop: &str, notify, original: Option<&str>| NewRecipient {
        address: address.into(),
        hop: hop.into(),
        notify,
        original: original.map(str::to_owned),
        hidden: original.is_some(),
    };
    let mail = NewMail {
        key: Some(DeliveryId(*b"names a message.")),
        envelope: Envelope {
            reverse_path: "ana@example.org".into(),
            purpose: Purpose::Notification,
            account: Some("Ana@example.org".into()),
            envelope_id: None,
            returns: Some(Return::Headers),
            smtputf8: true,
            require_tls: true,
            arrived_s: DATE,
            expires_s: -1,
        },
        recipients: vec![
            recipient("x@One.example", "one.example", Notify::DEFAULT, None),
            recipient("y@one.example", "two.example", Notify { success: true, ..Notify::NEVER }, Some("rfc822;z")),
        ],
        due_s: DATE + 1,
        message: prepared(&raw("a*500")),
    };
    let id = spool.put(vec![mail]).unwrap()[0];
    spool.close().unwrap();

    let segment = std::fs::read(home.path().join("segments/00000001.seg")).unwrap();
    let found = records(&segment, 1, 0xffff_ffff);
    assert_eq!((found.len(), found[0].kind, &found[0].raw), (1, 4, &raw("a*500")));
    let mut m = Reader(found[0].meta);
    assert_eq!((m.signed(), m.optional_bytes()), (id.number(), Some(&b"names a message."[..])));
    assert!(m.signed() > DATE, "put in now");
    assert_eq!((m.text(), m.fixed(1), m.fixed(1)), ("ana@example.org", 2, 1 + 2 + 8));
    assert_eq!((m.optional_bytes(), m.optional_bytes()), (Some(&b"Ana@example.org"[..]), None));
    assert_eq!((m.signed(), m.signed(), m.unsigned()), (DATE, -1, 2));
    assert_eq!((m.unsigned(), m.text(), m.optional_bytes(), m.fixed(1)), (0, "x@One.example", None, 2 + 4));
    assert_eq!((m.optional_bytes(), m.signed(), m.unsigned()), (None, DATE + 1, 0));
    assert_eq!((m.unsigned(), m.text(), m.optional_bytes()), (1, "y@one.example", Some(&b"two.example"[..])));
    assert_eq!((m.fixed(1), m.optional_bytes()), (1 + 32, Some(&b"rfc822;z"[..])));
    assert_eq!((m.signed(), m.unsigned(), m.0), (DATE + 1, 0, &b""[..]));
}
