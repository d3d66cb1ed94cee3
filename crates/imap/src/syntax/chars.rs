//! Which bytes may stand where (RFC 9051 §9).
//!
//! ```text
//! ATOM-CHAR      = <any CHAR except atom-specials>
//! atom-specials  = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
//! list-wildcards = "%" / "*"
//! quoted-specials = DQUOTE / "\"
//! resp-specials  = "]"
//! ASTRING-CHAR   = ATOM-CHAR / resp-specials
//! list-char      = ATOM-CHAR / list-wildcards / resp-specials
//! tag            = 1*<any ASTRING-CHAR except "+">
//! ```

/// `ATOM-CHAR`.
pub(crate) fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// `ASTRING-CHAR`.
pub(crate) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// `list-char`.
pub(crate) fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}

/// What a tag is made of.
pub(crate) fn is_tag_char(byte: u8) -> bool {
    is_astring_char(byte) && byte != b'+'
}

/// The longest tag that is understood; clients use fewer than ten bytes, or a UUID.
pub(crate) const MAX_TAG_BYTES: usize = 64;
