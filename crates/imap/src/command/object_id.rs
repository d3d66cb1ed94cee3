//! Names of messages and conversations that hold wherever they lie (RFC 8474).

use crate::order::ThreadKeys;
use message::Digest;

/// How many hexadecimal digits of a digest are told: no two messages of an account will ever share them.
const DIGITS: usize = 32;

/// EMAILID: one for the same bytes, wherever they lie.
pub(super) fn of_email(digest: &Digest) -> String {
    format!("M{:.DIGITS$}", digest.to_string())
}

/// THREADID, from what THREAD joins by: that of the message which began the conversation, as far as this one says. `None`
/// for one that names none, which RFC 8474 §5.3 answers as `NIL`.
pub(super) fn of_thread(keys: &[u8]) -> Option<String> {
    let keys = ThreadKeys::decode(keys);
    Some(format!("T{:.DIGITS$}", message::examine(keys.root()?).digest.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread_of(header: &[u8]) -> Option<String> {
        of_thread(&ThreadKeys::of(header).encode())
    }

    #[test]
    fn a_conversation_is_named_by_its_first_message() {
        let first = thread_of(b"Message-ID: <a@x>\r\n\r\n");
        assert!(first.as_ref().is_some_and(|id| id.len() == 33 && id.starts_with('T')));
        assert_eq!(thread_of(b"Message-ID: <b@x>\r\nIn-Reply-To: Ana's of Monday <a@x>\r\n\r\n"), first);
        assert_eq!(thread_of(b"References:\r\n <a@x>\r\n <b@x>\r\nIn-Reply-To: <b@x>\r\n\r\n"), first);
        assert_ne!(thread_of(b"Message-ID: <b@x>\r\n\r\n"), first);
        assert_eq!(thread_of(b"Message-ID: <>\r\nSubject: a\r\n\r\n"), None);
    }

    #[test]
    fn the_same_bytes_have_one_name() {
        let id = of_email(&message::examine(b"a").digest);
        assert_eq!(id, of_email(&message::examine(b"a").digest));
        assert!(id.len() == 33 && id.starts_with('M') && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
