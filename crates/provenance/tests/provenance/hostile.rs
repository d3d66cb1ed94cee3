//! Mail that wants to cost us time, or to be believed.

use provenance::{Options, Outcome, SealError, sign};
use testkit::dns_server::Zones;

use crate::world::{NOW_S, World, ed25519, key_name, outcomes};

const SIGNATURE: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=evil.test; s=x; h=From; bh=AAAA; b=AAAA\r\n";

#[tokio::test]
async fn ten_thousand_signatures_cost_ten() {
    let world = World::with(Zones::new(), Options { max_header_bytes: 8 << 20, ..Options::default() }).await;
    for (what, line) in
        [("sound", SIGNATURE), ("unreadable", "DKIM-Signature: v=1; a=none\r\n"), ("empty", "DKIM-Signature:\r\n")]
    {
        let message = format!("{}From: a@example.test\r\n\r\n", line.repeat(1_500));
        let findings = world.verify(message.as_bytes()).await;
        assert!(findings.dkim.len() <= 10, "{what}: {}", findings.dkim.len());
        assert!(findings.dkim.iter().all(|dkim| dkim.outcome != Outcome::Pass), "{what}");
    }
    let message = format!("{}From: a@example.test\r\n\r\n", SIGNATURE.repeat(10_000));
    let findings = world.verify(message.as_bytes()).await;
    assert_eq!(outcomes(&findings), [Outcome::PermError], "so many fields are not looked at");
    assert!(world.server.questions().len() < 30, "{}", world.server.questions().len());
}

#[tokio::test]
async fn a_header_beyond_the_bound_is_not_looked_at() {
    let (ed, record) = ed25519("example.test");
    let world = World::new(Zones::new().txt(&key_name(&ed), &record)).await;
    let large = format!("From: a@example.test\r\nX: {}\r\n\r\nhello\r\n", "x".repeat(300 * 1024));
    let signed = [sign(&[ed], large.as_bytes(), NOW_S).unwrap().as_bytes(), large.as_bytes()].concat();
    assert_eq!(outcomes(&world.verify(&signed).await), [Outcome::PermError]);
}

#[tokio::test]
async fn a_chain_without_end_or_order_fails_and_is_not_continued() {
    let (ed, record) = ed25519("example.test");
    let world = World::new(Zones::new().txt(&key_name(&ed), &record)).await;
    let set = |i: usize| {
        format!(
            "ARC-Seal: i={i}; a=rsa-sha256; cv=pass; d=e.test; s=x; b=AAAA\r\n\
             ARC-Message-Signature: i={i}; a=rsa-sha256; d=e.test; s=x; h=From; bh=AAAA; b=AAAA\r\n\
             ARC-Authentication-Results: i={i}; e.test; dmarc=pass\r\n"
        )
    };
    let from = "From: a@example.test\r\n\r\n";
    for (what, header) in [
        ("long", (1..=60).rev().map(set).collect::<String>()),
        ("double", set(1) + &set(1)),
        ("gap", set(3) + &set(1)),
        ("half", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=e.test; s=x; b=AAAA\r\n".to_owned()),
        ("words", "ARC-Authentication-Results: i=1; e.test; dmarc=pass\r\n".to_owned()),
        ("unreadable", "ARC-Seal: \r\nARC-Message-Signature: i=99\r\n".to_owned()),
    ] {
        let message = header + from;
        let findings = world.verify(message.as_bytes()).await;
        assert_eq!(findings.arc.outcome, Outcome::Fail, "{what}: {:?}", findings.arc);
        assert!(findings.arc.vouched.is_none() && findings.arc.sealers.is_empty(), "{what}");
        match ed.seal(message.as_bytes(), &findings, "mx.our.test", NOW_S) {
            Ok(set) => assert!(set.contains("cv=fail"), "{what}: {set}"),
            Err(error) => assert!(matches!(error, SealError::Ended | SealError::Full), "{what}: {error}"),
        }
    }
}

/// Signatures that would verify, and must not be believed.
#[tokio::test]
async fn what_proves_nothing_does_not_pass() {
    let (ed, record) = ed25519("example.test");
    let world = World::new(Zones::new().txt(&key_name(&ed), &record)).await;
    let message = b"From: a@example.test\r\nSubject: x\r\n\r\nbody\r\n";
    let field = sign(&[ed], message, NOW_S).unwrap();
    let signed = |field: &str| [field.as_bytes(), message].concat();
    assert_eq!(outcomes(&world.verify(&signed(&field)).await), [Outcome::Pass]);
    for (from, to) in [
        ("v=1; ", ""),
        ("a=ed25519-sha256", "a=rsa-sha1"),
        ("c=relaxed/relaxed", "l=4; c=relaxed/relaxed"),
        ("h=From:From:", "h="),
        ("d=example.test", "d=other.test"),
        ("t=", "x=1; t="),
    ] {
        assert!(field.contains(from), "{from} in {field}");
        let findings = world.verify(&signed(&field.replace(from, to))).await;
        assert_ne!(outcomes(&findings), [Outcome::Pass], "{to}");
        assert_eq!(findings.dkim.len(), 1, "{to}");
    }
    // A second From, above or below, and a second Subject.
    for added in ["From: evil@evil.test\r\n", "Subject: y\r\n", "To: z@z.test\r\n"] {
        let above = [added.as_bytes(), &signed(&field)].concat();
        assert_eq!(outcomes(&world.verify(&above).await), [Outcome::Fail], "{added}");
    }
}

#[tokio::test]
async fn any_bytes_are_a_message() {
    let world = World::new(Zones::new()).await;
    for bytes in [
        &b""[..],
        b"\r\n",
        b":",
        b"\0\0\0",
        b"DKIM-Signature: v=1",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=.; s=..; h=From; bh==; b==\r\nFrom: @\r\n\r\n",
        b"From: \xff\xfe@\xff\r\nDKIM-Signature: \xff=\xff;;;=;=\r\n\r\n\xff",
        b"ARC-Seal: i=4294967296; cv=\r\n",
    ] {
        let findings = world.verify(bytes).await;
        assert!(findings.dkim.iter().all(|dkim| dkim.outcome != Outcome::Pass));
        findings.authentication_results("mx.our.test");
    }
}
