//! Every quirk: what real clients say is taken for what they mean, and a strict parser names the deviation.

use super::super::quirk::Quirk;
use super::*;

/// What a client says, what the grammar wants it to say for the same, and the deviation.
#[test]
fn each_quirk_is_understood_and_named() {
    let ascii = [
        (Quirk::TrailingSpace, "NOOP ", "NOOP"),
        (Quirk::TrailingSpace, "SEARCH ALL  ", "SEARCH ALL"),
        (Quirk::TrailingSpace, "STORE 1 FLAGS \\Seen ", "STORE 1 FLAGS \\Seen"),
        (Quirk::TrailingSpace, "ENABLE QRESYNC ", "ENABLE QRESYNC"),
        (Quirk::TrailingSpace, "SELECT x ", "SELECT x"),
        (Quirk::ExtraSpaces, "LOGIN  a   b", "LOGIN a b"),
        (Quirk::ExtraSpaces, "STATUS x (MESSAGES  UNSEEN)", "STATUS x (MESSAGES UNSEEN)"),
        (Quirk::SpacesInList, "STATUS x (MESSAGES )", "STATUS x (MESSAGES)"),
        (Quirk::SpacesInList, "FETCH 1 ( FLAGS)", "FETCH 1 (FLAGS)"),
        (Quirk::SpacesInList, "FETCH 1 PREVIEW ( LAZY )", "FETCH 1 PREVIEW (LAZY)"),
        (Quirk::SpacesInList, "STORE 1 FLAGS ( )", "STORE 1 FLAGS ()"),
        (Quirk::EightBit, "LOGIN \"josé\" x", "LOGIN {5}\r\njosé x"),
        (Quirk::EightBit, "SEARCH FROM josé", "SEARCH FROM {5}\r\njosé"),
        (Quirk::EightBit, "SEARCH SUBJECT \"\\\"é\"", "SEARCH SUBJECT {3}\r\n\"é"),
        (Quirk::MalformedUtf7, "DELETE \"Tom & Jerry\"", "DELETE \"Tom &- Jerry\""),
        (Quirk::MalformedUtf7, "DELETE {7}\r\nEspaña", "DELETE Espa&APE-a"),
        (Quirk::MalformedUtf7, "DELETE &AGE-", "DELETE a"),
        (
            Quirk::ShortDay,
            "APPEND x \"1-Feb-2024 00:00:00 +0000\" {1}\r\nx",
            "APPEND x \"01-Feb-2024 00:00:00 +0000\" {1}\r\nx",
        ),
        (Quirk::LeadingZero, "FETCH 007 FLAGS", "FETCH 7 FLAGS"),
        (Quirk::ZeroModSeq, "UID FETCH 1:* FLAGS (CHANGEDSINCE 00)", "UID FETCH 1:* FLAGS (CHANGEDSINCE 0)"),
        (Quirk::MacroInList, "FETCH 1 (FAST)", "FETCH 1 FAST"),
        (Quirk::OptionsAfterMailbox, "GETMETADATA x (MAXSIZE 5) /a", "GETMETADATA (MAXSIZE 5) x /a"),
        (Quirk::OptionsAfterMailbox, "GETMETADATA x (depth 1) (/a)", "GETMETADATA (DEPTH 1) x /a"),
        (
            Quirk::BareEvents,
            "NOTIFY SET (personal MessageNew MessageExpunge)",
            "NOTIFY SET (personal (MessageNew MessageExpunge))",
        ),
        (Quirk::CharsetAlias, "SEARCH CHARSET utf8 ALL", "SEARCH CHARSET UTF-8 ALL"),
        (Quirk::CharsetAlias, "SORT (DATE) ascii ALL", "SORT (DATE) US-ASCII ALL"),
    ];
    for (quirk, said, meant) in ascii {
        let error = parse_as(format!("a {said}").as_bytes(), REV1, true).expect_err(said);
        assert_eq!(error.message, quirk.objection(), "{said}");
        let expected = if quirk == Quirk::ZeroModSeq { leniently(meant) } else { strictly(meant) };
        assert_eq!(leniently(said), expected, "{said}");
    }
}

#[test]
fn nul_in_a_message_is_kept() {
    let command = b"a APPEND x {3}\r\na\0b";
    assert_eq!(parse_as(command, REV1, true).unwrap_err().message, Quirk::NulInMessage.objection());
    let Command::Append { messages, .. } = parse(command, REV1).unwrap().command else { panic!() };
    assert_eq!((&messages[0].bytes[..], messages[0].binary), (&b"a\0b"[..], false));
}

#[test]
fn words_of_rev1_are_understood_in_rev2() {
    for text in ["SEARCH NEW", "SEARCH NOT RECENT", "STATUS x (RECENT)", "FETCH 1 RFC822", "FETCH 1 (RFC822.TEXT)"] {
        let command = format!("a {text}");
        let error = parse_as(command.as_bytes(), REV2, true).expect_err(text);
        assert_eq!(error.message, Quirk::GoneInRev2.objection());
        assert_eq!(parse(command.as_bytes(), REV2).unwrap().command, strictly(text));
    }
}

/// A client reaches a mailbox by the name that LIST showed, and by the name that it remembers from another server.
#[test]
fn a_name_leads_to_its_mailbox_however_it_was_encoded() {
    for remembered in ["Caf&AOk-", "Caf&AOk", "Café", "\"Café\"", "Caf&AOkAIQ-"] {
        let Command::Delete(MailboxArg(name)) = leniently(&format!("DELETE {remembered}")) else { panic!() };
        let listed = message::utf7::encode(&name);
        assert_eq!(leniently(&format!("DELETE \"{listed}\"")), Command::Delete(MailboxArg(name)));
    }
}
