//! SEARCH, SORT, THREAD: RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, RFC 5182, RFC 5256, RFC 5267, RFC 5957, RFC 7162,
//! RFC 8474, RFC 8514, RFC 9394, RFC 9586.

use super::super::ParseErrorKind;
use super::*;
use message::Flags;

/// 1 February 1994, in days since 1970.
const FEBRUARY_1994: i64 = 8797;

fn search(key: SearchKey) -> Search {
    Search { by: By::Seq, returns: None, charset: None, key }
}

fn key(text: &str) -> SearchKey {
    let Command::Search(search) = strictly(&format!("SEARCH {text}")) else { panic!("{text}") };
    search.key
}

#[test]
fn the_examples_of_the_rfc() {
    let deleted_by_smith = SearchKey::And(vec![
        SearchKey::Flag(Flags::FLAGGED),
        SearchKey::Since(DateOf::Internal, FEBRUARY_1994),
        not(header("FROM", "Smith")),
    ]);
    assert_eq!(
        strictly(r#"SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith""#),
        Command::Search(search(deleted_by_smith.clone()))
    );
    let returns = SearchReturn { min: true, count: true, ..SearchReturn::default() };
    assert_eq!(
        strictly(r#"SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith""#),
        Command::Search(Search { returns: Some(returns), ..search(deleted_by_smith.clone()) })
    );
    assert_eq!(
        strictly(r#"UID SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith""#),
        Command::Search(Search { by: By::Uid, returns: Some(SearchReturn::default()), ..search(deleted_by_smith) })
    );
    assert_eq!(key(r#"TEXT "string not in mailbox""#), SearchKey::Text("string not in mailbox".into()));
    assert_eq!(
        strictly("SEARCH CHARSET UTF-8 TEXT {8}\r\nмама"),
        Command::Search(Search { charset: Some("UTF-8".into()), ..search(SearchKey::Text("мама".into())) })
    );
}

#[test]
fn every_search_key() {
    let flag = |flag| SearchKey::Flag(flag);
    let day = FEBRUARY_1994;
    for (text, expected) in [
        ("ALL", SearchKey::All),
        ("ANSWERED", flag(Flags::ANSWERED)),
        ("DELETED", flag(Flags::DELETED)),
        ("DRAFT", flag(Flags::DRAFT)),
        ("FLAGGED", flag(Flags::FLAGGED)),
        ("seen", flag(Flags::SEEN)),
        ("UNANSWERED", not(flag(Flags::ANSWERED))),
        ("UNDELETED", not(flag(Flags::DELETED))),
        ("UNDRAFT", not(flag(Flags::DRAFT))),
        ("UNFLAGGED", not(flag(Flags::FLAGGED))),
        ("UNSEEN", not(flag(Flags::SEEN))),
        ("NEW", SearchKey::And(vec![SearchKey::Recent, not(flag(Flags::SEEN))])),
        ("OLD", not(SearchKey::Recent)),
        ("RECENT", SearchKey::Recent),
        ("BCC x", header("BCC", "x")),
        ("CC x", header("CC", "x")),
        ("from x", header("FROM", "x")),
        ("SUBJECT \"a b\"", header("SUBJECT", "a b")),
        ("TO {2}\r\nx]", header("TO", "x]")),
        ("HEADER Message-ID <1@x>", header("Message-ID", "<1@x>")),
        ("HEADER List-Post \"\"", header("List-Post", "")),
        ("BODY x", SearchKey::Body("x".into())),
        ("TEXT x", SearchKey::Text("x".into())),
        ("KEYWORD $Junk", SearchKey::Keyword(keyword("$Junk"))),
        ("KEYWORD $forwarded", flag(Flags::FORWARDED)),
        ("UNKEYWORD $Junk", not(SearchKey::Keyword(keyword("$junk")))),
        ("BEFORE 1-Feb-1994", SearchKey::Before(DateOf::Internal, day)),
        ("ON 01-feb-1994", SearchKey::On(DateOf::Internal, day)),
        ("SINCE \"1-FEB-1994\"", SearchKey::Since(DateOf::Internal, day)),
        ("SENTBEFORE 1-Feb-1994", SearchKey::Before(DateOf::Sent, day)),
        ("SENTON 1-Feb-1994", SearchKey::On(DateOf::Sent, day)),
        ("SENTSINCE 1-Feb-1994", SearchKey::Since(DateOf::Sent, day)),
        ("SAVEDBEFORE 1-Feb-1994", SearchKey::Before(DateOf::Saved, day)),
        ("SAVEDON 1-Feb-1994", SearchKey::On(DateOf::Saved, day)),
        ("SAVEDSINCE 1-Feb-1994", SearchKey::Since(DateOf::Saved, day)),
        ("SAVEDATESUPPORTED", SearchKey::SaveDateSupported),
        ("LARGER 4294967296", SearchKey::Larger(4_294_967_296)),
        ("SMALLER 0", SearchKey::Smaller(0)),
        ("OLDER 259200", SearchKey::Older(259_200)),
        ("YOUNGER 3600", SearchKey::Younger(3600)),
        ("MODSEQ 620162338", SearchKey::ModSeq(620_162_338)),
        ("MODSEQ \"/flags/\\\\draft\" all 0", SearchKey::ModSeq(0)),
        ("EMAILID M6d99ac3275bb4e", SearchKey::EmailId("M6d99ac3275bb4e".into())),
        ("THREADID T64b478a75b7ea9", SearchKey::ThreadId("T64b478a75b7ea9".into())),
        ("2,4:7,9,12:*", SearchKey::Numbers(numbers(&[(2, 2), (4, 7), (9, 9), (12, 0)]))),
        ("*", SearchKey::Numbers(numbers(&[(0, 0)]))),
        ("$", SearchKey::Numbers(Numbers::Saved)),
        ("UID *:4", SearchKey::Uids(numbers(&[(0, 4)]))),
        ("UID $", SearchKey::Uids(Numbers::Saved)),
        ("NOT NOT ALL", not(not(SearchKey::All))),
        ("OR ALL SEEN", or(SearchKey::All, flag(Flags::SEEN))),
        ("(ALL)", SearchKey::All),
        ("(ALL SEEN)", SearchKey::And(vec![SearchKey::All, flag(Flags::SEEN)])),
        ("OR (ALL SEEN) NOT (ALL)", or(SearchKey::And(vec![SearchKey::All, flag(Flags::SEEN)]), not(SearchKey::All))),
        ("OR NOT MODSEQ 720162338 LARGER 50000", or(not(SearchKey::ModSeq(720_162_338)), SearchKey::Larger(50000))),
    ] {
        assert_eq!(key(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_search_key() {
    for bad in [
        "",
        "()",
        "(ALL",
        "ALL)",
        "FOO",
        "FROM",
        "NOT",
        "OR ALL",
        "KEYWORD \\Seen",
        "LARGER -1",
        "LARGER 9223372036854775808",
        "OLDER 0",
        "OLDER 4294967296",
        "0",
        "1:",
        "1,",
        "4294967296",
        "UID",
        "SINCE 30-Feb-1994",
        "SINCE 0-Feb-1994",
        "SINCE 001-Feb-1994",
        "SINCE 1-Foo-1994",
        "SINCE 1-Feb-94",
        "SINCE \"1-Feb-1994",
        "MODSEQ \"/flags/x\" mine 1",
        "EMAILID a.b",
        "FROM \"a",
        "FROM \"a\\b\"",
        "FROM ~{1}\r\nx",
        "FROM {2}\r\nx",
        "FROM {1}\r\n\0",
        "FROM {1}x",
    ] {
        refused(&format!("SEARCH {bad}"));
    }
    refused("SEARCH RETURN ALL");
    refused("SEARCH RETURN (UPDATE) ALL");
}

/// RFC 5182 §2 and §3, RFC 9394 §3.1.
#[test]
fn results_can_be_saved_and_cut() {
    let returns = |text: &str| {
        let Command::Search(search) = strictly(&format!("UID SEARCH RETURN ({text}) ALL")) else { panic!("{text}") };
        search.returns.unwrap()
    };
    assert_eq!(returns("SAVE"), SearchReturn { save: true, ..SearchReturn::default() });
    assert_eq!(
        returns("SAVE MIN MAX ALL COUNT"),
        SearchReturn { min: true, max: true, all: true, count: true, save: true, partial: None }
    );
    assert_eq!(returns("PARTIAL 23500:24000").partial, Some((23500, 24000)));
    assert_eq!(returns("PARTIAL -1:-100").partial, Some((-1, -100)));
    assert_eq!(returns("partial 9:1 count").partial, Some((9, 1)));
    for bad in ["PARTIAL", "PARTIAL 1", "PARTIAL 0:1", "PARTIAL 1:*", "PARTIAL -1:5", "PARTIAL 5:-1", "PARTIAL 1:2 ALL"]
    {
        refused(&format!("UID SEARCH RETURN ({bad}) ALL"));
    }
}

#[test]
fn other_charsets_are_refused_as_such() {
    for bad in ["SEARCH CHARSET ISO-8859-1 ALL", "SORT (DATE) KOI8-R ALL", "SEARCH FROM {1}\r\n\u{e9}"] {
        let latin1: Vec<u8> = format!("a {bad}").chars().map(|c| c as u8).collect();
        assert_eq!(parse(&latin1, REV1).unwrap_err().kind, ParseErrorKind::BadCharset, "{bad}");
    }
    assert!(matches!(strictly("SEARCH CHARSET us-ascii ALL"), Command::Search(_)));
    assert!(matches!(strictly("SEARCH CHARSET \"utf-8\" ALL"), Command::Search(_)));
}

/// Each way of nesting, as deep as it may be, is parsed, compared, shown and dropped on a test's stack of 2 MiB.
#[test]
fn keys_are_nested_so_deep_and_no_deeper() {
    for (before, after) in [("NOT ", ""), ("(", ")"), ("OR SEEN ", ""), ("OR (NOT ", " SEEN) DRAFT")] {
        let levels = if before.len() > 7 { 60 } else { 200 };
        let nested = |levels: usize| format!("SEARCH {}ALL{}", before.repeat(levels), after.repeat(levels));
        let parsed = strictly(&nested(levels));
        assert_eq!(parsed, parsed.clone());
        assert!(format!("{parsed:?}").contains("All"));
        for levels in [201, 10_000] {
            assert_eq!(refused(&nested(levels)).kind, ParseErrorKind::TooDeep, "{before}");
        }
    }
}

/// RFC 5256 §3 and §5, RFC 5267 §4.2, RFC 5957 §3.
#[test]
fn sort() {
    let sort = |criteria: &[(bool, SortKey)], charset: &str, key| Sort {
        by: By::Seq,
        returns: None,
        criteria: criteria.to_vec(),
        charset: charset.into(),
        key,
    };
    assert_eq!(
        strictly("SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994"),
        Command::Sort(sort(&[(false, SortKey::Subject)], "UTF-8", SearchKey::Since(DateOf::Internal, FEBRUARY_1994)))
    );
    assert_eq!(
        strictly("SORT (SUBJECT REVERSE DATE) US-ASCII ALL"),
        Command::Sort(sort(&[(false, SortKey::Subject), (true, SortKey::Date)], "US-ASCII", SearchKey::All))
    );
    let keys = [
        (false, SortKey::Arrival),
        (false, SortKey::Cc),
        (true, SortKey::From),
        (false, SortKey::Size),
        (false, SortKey::To),
        (false, SortKey::DisplayFrom),
        (true, SortKey::DisplayTo),
    ];
    let returns = Some(SearchReturn { partial: Some((1, 500)), ..SearchReturn::default() });
    assert_eq!(
        strictly(
            "UID SORT RETURN (PARTIAL 1:500) (ARRIVAL CC REVERSE FROM SIZE TO DISPLAYFROM REVERSE DISPLAYTO) UTF-8 1:* SEEN"
        ),
        Command::Sort(Sort {
            by: By::Uid,
            returns,
            ..sort(
                &keys,
                "UTF-8",
                SearchKey::And(vec![SearchKey::Numbers(numbers(&[(1, 0)])), SearchKey::Flag(Flags::SEEN)])
            )
        })
    );
    for bad in
        ["() UTF-8 ALL", "(REVERSE) UTF-8 ALL", "(COLOUR) UTF-8 ALL", "DATE UTF-8 ALL", "(DATE) UTF-8", "(DATE) ALL"]
    {
        refused(&format!("SORT {bad}"));
    }
}

/// RFC 5256 §3 and §5.
#[test]
fn thread() {
    let thread = |algorithm, charset: &str, key| {
        Command::Thread(Thread { by: By::Uid, algorithm, charset: charset.into(), key })
    };
    assert_eq!(
        strictly("UID THREAD ORDEREDSUBJECT UTF-8 SINCE 1-Feb-1994"),
        thread(ThreadAlgorithm::OrderedSubject, "UTF-8", SearchKey::Since(DateOf::Internal, FEBRUARY_1994))
    );
    assert_eq!(
        strictly("UID THREAD references US-ASCII ALL"),
        thread(ThreadAlgorithm::References, "US-ASCII", SearchKey::All)
    );
    assert_eq!(
        strictly("UID THREAD refs UTF-8 ALL"),
        thread(ThreadAlgorithm::Other("REFS".into()), "UTF-8", SearchKey::All)
    );
}

/// RFC 9586 §3.
#[test]
fn uids_only() {
    for bad in [
        "SEARCH ALL",
        "SORT (DATE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "FETCH 1 FLAGS",
        "STORE 1 FLAGS ()",
        "COPY 1 x",
        "MOVE 1 x",
        "REPLACE 1 x {1+}\r\nx",
        "UID SEARCH 1:*",
        "UID SEARCH NOT (SEEN 1)",
        "SELECT x (QRESYNC (1 2 (3 4)))",
    ] {
        assert_eq!(refused_in(bad, UID_ONLY).kind, ParseErrorKind::UidRequired, "{bad}");
    }
    for good in ["UID SEARCH UID 1:*", "UID SEARCH $", "UID FETCH 1 FLAGS", "EXPUNGE", "SELECT x (QRESYNC (1 2 3:4))"] {
        parse_as(format!("a {good}").as_bytes(), UID_ONLY, true).unwrap();
    }
}
