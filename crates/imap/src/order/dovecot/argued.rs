//! The messages on which Dovecot and we differ, and why ours stays. Dovecot is 2.3.19, as Debian has it.

/// Messages that differ in some aspects for one reason.
struct Group {
    /// What was asked for: a FETCH item, a key of SORT, an algorithm of THREAD.
    aspects: &'static [&'static str],
    messages: &'static [&'static str],
    reason: &'static str,
}

/// Every aspect and message that differ, with the reason.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let pairs = |group: &'static Group| {
        let aspects = group.aspects.iter();
        aspects.flat_map(|aspect| group.messages.iter().map(|message| (*aspect, *message, group.reason)))
    };
    GROUPS.iter().flat_map(pairs)
}

/// The messages that differ in one aspect.
pub(super) fn of(aspect: &str) -> impl Iterator<Item = &'static str> {
    all().filter(move |(of, ..)| *of == aspect).map(|(_, message, _)| message)
}

const STRUCTURE: &[&str] = &["BODY", "BODYSTRUCTURE"];

const BY_DATE: &[&str] = &["DATE", "REFERENCES", "ORDEREDSUBJECT"];

const THREADS: &[&str] = &["REFERENCES", "ORDEREDSUBJECT"];

const GROUPS: &[Group] = &[
    Group {
        aspects: &["ENVELOPE"],
        messages: &["openbmc/741", "openbmc/779", "openbmc/916", "spam-2/00343", "spam-2/00344"],
        reason: "Dovecot ends a list at an address that is malformed, so that nobody behind it is shown; commas part addresses \
                 (RFC 5322 §3.4), malformed or not",
    },
    Group {
        aspects: &["ENVELOPE"],
        messages: &["odd/003", "odd/076", "odd/077", "odd/183"],
        reason: "Date or Subject stands twice: Dovecot shows the last one and sorts by the first; both are the first here",
    },
    Group {
        aspects: STRUCTURE,
        messages: &["spam-2/00016", "spam-2/00056", "spam-2/00068", "spam-2/00148"],
        reason: "without MIME-Version Dovecot passes over Content-Transfer-Encoding, though not over Content-Type; clients decode \
                 by what the structure says",
    },
    Group {
        aspects: STRUCTURE,
        messages: &["spam-2/00204", "odd/007"],
        reason: "a `;` is missing before the first parameter: Dovecot then knows neither type nor parts, though the type is there",
    },
    Group {
        aspects: STRUCTURE,
        messages: &["odd/011"],
        reason: "a `;` is missing between parameters: Dovecot loses the one that follows",
    },
    Group { aspects: &["BODYSTRUCTURE"], messages: &["odd/048"], reason: "the same, in the parameters of a multipart" },
    Group {
        aspects: STRUCTURE,
        messages: &["odd/025"],
        reason: "a multipart whose header ends at its own delimiter: Dovecot looks for it among the outer boundaries only, one of \
                 which is its beginning, and takes its parts for those of the outer multipart",
    },
    Group {
        aspects: STRUCTURE,
        messages: &["odd/117"],
        reason: "`quoted-printable;`: Dovecot passes over a transfer encoding behind which a `;` stands",
    },
    Group {
        aspects: &["BODYSTRUCTURE"],
        messages: &["odd/119"],
        reason: "a disposition without a type is shown by Dovecot with an empty one; RFC 2183 §2 has none",
    },
    Group {
        aspects: STRUCTURE,
        messages: &["odd/157", "odd/177"],
        reason: "a type without a subtype: Dovecot shows an empty one, or nothing of the type; text without one is text/plain \
                 (RFC 2045 §5.2)",
    },
    Group {
        aspects: &["BODY", "BODYSTRUCTURE", "BODY[]"],
        messages: &["odd/001", "odd/015", "odd/016", "odd/072"],
        reason: "a message that is only a header in a multipart: Dovecot counts the line end before the delimiter, which belongs to \
                 the delimiter (RFC 2046 §5.1.1); odd/001 says its size beside it",
    },
    Group {
        aspects: &["BODY[]"],
        messages: &["odd/009", "odd/037", "odd/038", "odd/143", "odd/177", "spam-1/00239", "spam-2/00221"],
        reason: "a multipart in a multipart: Dovecot gives the line end before the outer delimiter with it, which belongs to the \
                 delimiter",
    },
    Group {
        aspects: &["BODY[]"],
        messages: &["odd/004"],
        reason: "NUL bytes, which no literal may hold: Dovecot replaces them; the bytes here are those before they are written",
    },
    Group { aspects: &["BODY[]"], messages: &["odd/007", "odd/025"], reason: "other parts, by the reason above" },
    Group {
        aspects: &["BODY[]"],
        messages: &["odd/135", "odd/136", "odd/179"],
        reason: "a header without an empty line: Dovecot adds one to HEADER.FIELDS and not to HEADER.FIELDS.NOT; none is there \
                 (RFC 9051 §6.4.5)",
    },
    Group {
        aspects: BY_DATE,
        messages: &[
            "spam-1/00023",
            "spam-1/00037",
            "spam-1/00059",
            "spam-1/00095",
            "spam-1/00129",
            "spam-1/00135",
            "spam-1/00187",
            "spam-1/00275",
            "spam-1/00370",
            "spam-1/00419",
            "spam-2/00159",
            "spam-2/00160",
            "spam-2/00163",
            "spam-2/00165",
            "spam-2/00211",
            "spam-2/00212",
            "spam-2/00306",
            "spam-2/00462",
            "spam-2/00492",
            "spam-2/00495",
        ],
        reason: "the year is 0102, as clocks of 1900 and 102 years write it (RFC 5322 §4.3): Dovecot sorts by INTERNALDATE",
    },
    Group {
        aspects: &["DATE"],
        messages: &["spam-1/00087", "spam-1/00340", "spam-1/00358", "spam-1/00420"],
        reason: "the same; the thread stands where it would",
    },
    Group { aspects: BY_DATE, messages: &["spam-1/00082"], reason: "`GMT+1`: Dovecot does not read the offset" },
    Group {
        aspects: &["DATE"],
        messages: &["spam-1/00389", "spam-1/00390"],
        reason: "the same; the thread stands where it would",
    },
    Group {
        aspects: BY_DATE,
        messages: &["spam-1/00406", "spam-2/00471", "odd/133"],
        reason: "a date without a zone, a second of one digit, fractions of a second: Dovecot does not read the date and sorts by \
                 INTERNALDATE",
    },
    Group { aspects: BY_DATE, messages: &["odd/115"], reason: "the year 3609, which Dovecot's 32 bits do not hold" },
    Group {
        aspects: &["SUBJECT"],
        messages: &[
            "r-help-es-2009-2014/228",
            "r-help-es-2009-2014/297",
            "r-help-es-2009-2014/324",
            "r-help-es-2009-2014/325",
            "r-help-es-2009-2014/326",
            "r-help-es-2009-2014/732",
            "r-help-es-2009-2014/2094",
            "spam-1/00035",
            "spam-1/00243",
            "spam-1/00313",
            "spam-2/00006",
            "odd/052",
            "odd/053",
            "odd/054",
            "odd/055",
            "odd/070",
            "odd/089",
            "odd/180",
            "odd/183",
            "odd/184",
        ],
        reason: "bytes that are neither ASCII nor UTF-8, or an encoded word that says US-ASCII and is not: Dovecot sorts by U+FFFD, \
                 we by what windows-1252 makes of them",
    },
    Group {
        aspects: &["SUBJECT"],
        messages: &["odd/105"],
        reason: "an encoded word in a charset that does not exist: Dovecot reads it as ASCII; it stays as it is written here",
    },
    Group {
        aspects: &["SUBJECT"],
        messages: &["openbmc/313"],
        reason: "`Re` with a full-width colon: Dovecot maps it to `:` before it looks for the base subject; RFC 5256 §5 has it look \
                 at the subject itself",
    },
    Group {
        aspects: &["DISPLAYFROM"],
        messages: &[
            "easy-ham-1/00080",
            "easy-ham-1/01050",
            "easy-ham-1/01054",
            "easy-ham-1/01057",
            "easy-ham-1/01114",
            "easy-ham-1/01116",
            "easy-ham-1/01195",
            "easy-ham-1/01207",
            "easy-ham-1/01214",
            "easy-ham-1/01226",
            "easy-ham-1/01250",
            "easy-ham-1/01293",
            "easy-ham-1/01294",
            "easy-ham-1/01300",
        ],
        reason: "a name that begins with white space: Dovecot's ENVELOPE leaves it out, and its SORT does not",
    },
    Group {
        aspects: &["DISPLAYFROM"],
        messages: &["spam-1/00035", "spam-2/00271", "odd/184"],
        reason: "bytes that are neither ASCII nor UTF-8",
    },
    Group {
        aspects: &["DISPLAYFROM"],
        messages: &["odd/186"],
        reason: "an encoded word in UTF-16, whose byte order mark Dovecot keeps",
    },
    Group {
        aspects: &["DISPLAYTO"],
        messages: &["odd/022", "odd/052", "odd/053", "odd/054", "odd/055", "odd/180"],
        reason: "bytes that are neither ASCII nor UTF-8",
    },
    Group {
        aspects: &["ORDEREDSUBJECT"],
        messages: &["linux-hams/379", "linux-hams/380"],
        reason: "a fold behind a space: Dovecot finds another subject than in the reply; runs of white space are one space (RFC 5256 \
                 §2.1)",
    },
    Group {
        aspects: THREADS,
        messages: &[
            "r-help-es-2009-2014/389",
            "r-help-es-2009-2014/391",
            "r-help-es-2009-2014/1319",
            "r-help-es-2009-2014/1320",
        ],
        reason: "a subject that ends in an invisible mark of direction, which is no part of the subject here",
    },
    Group {
        aspects: &["ORDEREDSUBJECT"],
        messages: &[
            "r-help-es-2009-2014/297",
            "r-help-es-2009-2014/299",
            "r-help-es-2009-2014/732",
            "r-help-es-2009-2014/733",
            "r-help-es-2009-2014/2093",
            "r-help-es-2009-2014/2094",
        ],
        reason: "bytes that are neither ASCII nor UTF-8: Dovecot does not find the subject of the others",
    },
    Group {
        aspects: THREADS,
        messages: &["odd/005", "odd/052", "odd/053", "odd/058"],
        reason: "bytes that are neither ASCII nor UTF-8: Dovecot does not find the subject of the others",
    },
    Group {
        aspects: THREADS,
        messages: &["odd/105", "easy-ham-1/01340"],
        reason: "an encoded word in a charset that does not exist: Dovecot reads it as ASCII",
    },
];
