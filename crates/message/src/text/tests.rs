//! Texts of messages, by table.

use super::*;
use proptest::prelude::*;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A body as a search sees it, on one line.
fn body(message: &[u8]) -> String {
    searchable(message).body.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_header_is_decoded() {
    let text = searchable(
        b"Subject: =?utf-8?q?A=C3=B1o?=\r\n =?iso-2022-jp?b?GyRCNEE7ehsoQg==?=\r\nFrom: Mar\xeda\r\nno field\r\n\r\nBcc: not here\r\n",
    );
    assert_eq!(text.header, "Subject: Año漢字\nFrom: María\n");
    let long = format!("To: {}last@x\r\n\r\n", "somebody@example.org, ".repeat(2_000));
    assert!(searchable(long.as_bytes()).header.ends_with("last@x\n"), "no part of a long field is left out");
}

#[test]
fn bodies_by_table() {
    let table: [(&str, &str); 9] = [
        ("\nHola\n", "Hola"),
        (
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nA=C3=B1o=\n nuevo\n",
            "Año nuevo",
        ),
        ("Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n8Q==\n", "Я"),
        ("Content-Type: text/html\n\n<p>M&eacute;x<b>ico</b></p><style>x</style>\n", "México"),
        (
            "Content-Type: application/pdf; name=factura.pdf\nContent-Transfer-Encoding: base64\n\nSG9sYQ==\n",
            "factura.pdf",
        ),
        ("Content-Type: image/png\n\nHola\n", ""),
        ("Content-Transfer-Encoding: x-uuencode\n\nbegin 644\n", ""),
        (
            "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?=C3=B1?=\n\ntwo\n--b\nContent-Type: text/csv; name=c.csv\n\nthree\n--b--\nepilogue",
            "one Subject: ñ two c.csv three",
        ),
        (
            "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ana@example.org\n",
            "Final-Recipient: rfc822; ana@example.org",
        ),
    ];
    for (message, expected) in table {
        assert_eq!(body(&crlf(message)), expected, "{message}");
    }
    assert_eq!(body(b"\r\nA\xf1o"), "Año", "bytes that say no charset");
    assert_eq!(
        body(b"Content-Type: text/plain; charset=x-none\r\n\r\nA\xc3\xb1o"),
        "Año",
        "a charset that is not known"
    );
}

#[test]
fn previews_by_table() {
    let table: [(&str, &str); 9] = [
        ("", ""),
        ("\n  Hola,\n\n mundo \n", "Hola, mundo"),
        ("\nAna wrote:\n> Hola\n>> ya\n\nAdiós\n-- \nAna\n", "Adiós Ana"),
        ("\n> all\n> quoted\n", "> all > quoted"),
        ("Content-Type: text/html\n\n<title>T</title><p>Hola <b>mun</b>do</p>\n", "T Hola mundo"),
        (
            "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html</p>\n--b\n\nplain\n--b--\n",
            "plain",
        ),
        (
            "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n\n--b\nContent-Type: text/html\n\n<p>html</p>\n--b--\n",
            "html",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nfile\n--b\n\ntext\n--b--\n",
            "text",
        ),
        ("Content-Type: image/png\n\nx\n", ""),
    ];
    for (message, expected) in table {
        assert_eq!(preview(&crlf(message)), expected, "{message}");
    }
    let long = preview(format!("\r\n{}", "palabra ".repeat(1_000)).as_bytes());
    assert_eq!((long.chars().count(), long.ends_with("palabra")), (199, true), "no space stands at its end");
    assert_eq!(preview(format!("\r\n{}", "ñ".repeat(1_000)).as_bytes()), "ñ".repeat(200));
}

const PIECES: [&[u8]; 16] = [
    b"Content-Type: text/html\r\n",
    b"Content-Type: multipart/alternative; boundary=a\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"\r\n",
    b"--a\r\n",
    b"<a href=\"'>",
    b"<!--",
    b"-->",
    b"&eacute;",
    b"=C3=\r\n",
    b"\xff\xfe",
    b"<script",
    b"</script>",
    b"> ",
    b"\xc3\xb1",
];

proptest! {
    #[test]
    fn any_bytes_have_texts(pieces in proptest::collection::vec(proptest::sample::select(&PIECES), 0..20)) {
        let message = pieces.concat();
        let text = searchable(&message);
        prop_assert!(text.body.len() <= 8 * message.len() + 8);
        let preview = preview(&message);
        prop_assert!(preview.chars().count() <= PREVIEW_CHARS && !preview.chars().any(char::is_control));
    }
}
