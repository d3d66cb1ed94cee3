//! Asking rspamd whether a message is wanted, over its HTTP protocol (`POST /checkv2`).
//!
//! The message goes there as it came, with what the session knows of it in header fields. What comes back is hostile as far as
//! the message could make it so: bounded, and its words are not repeated but for a reply that rspamd words itself.

use super::Policy;
use crate::deliver::Mail;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Recipients that it is told of.
const MAX_RECIPIENTS: usize = 100;
/// The longest text of its own that a sender is told.
const MAX_TEXT_CHARS: usize = 200;

/// An rspamd that is asked about every message.
#[derive(Clone, Debug, PartialEq)]
pub struct Rspamd {
    /// Where its normal worker listens.
    pub address: SocketAddr,
    /// How long an answer may take.
    pub timeout: Duration,
    /// From which score on a message goes to Junk, besides those that rspamd itself marks.
    pub junk_score: Option<f64>,
    /// From which score on a message is refused, besides those that rspamd itself rejects.
    pub reject_score: Option<f64>,
    /// What becomes of mail while it does not answer.
    pub on_failure: OnFailure,
}

/// What becomes of mail while a filter does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is taken as it is.
    #[default]
    Accept,
    /// It is refused for now.
    Later,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// It takes the message for what it is, with this score.
    Passed {
        /// Its score.
        score: f64,
        /// The score that would have been too much.
        required: f64,
        /// Whether it is unwanted.
        unwanted: bool,
    },
    /// The message is not to be taken, or not now.
    Refused(Policy),
    /// It said nothing, and that is no reason to refuse.
    Silent,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("it speaks no HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is {0}")]
    Status(hyper::StatusCode),
    #[error("its answer cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("its answer is no verdict")]
    NoVerdict,
    #[error("it takes too long")]
    Slow,
}

/// Whether a header field is one that filters write.
pub(super) fn is_mark(name: &[u8]) -> bool {
    const MARKS: [&str; 7] =
        ["X-Spam", "X-Spam-Flag", "X-Spam-Score", "X-Spam-Status", "X-Spam-Level", "X-Spam-Report", "X-Spamd-Result"];
    MARKS.iter().any(|mark| name.eq_ignore_ascii_case(mark.as_bytes()))
}

impl Rspamd {
    /// Asks about a message.
    ///
    /// # Cancel safety
    /// It may be dropped at any time.
    pub(super) async fn ask(&self, mail: &Mail, client: IpAddr, message: Bytes) -> Word {
        let answer = match tokio::time::timeout(self.timeout, self.answer(mail, client, message)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unanswered::Slow),
        };
        match answer {
            Ok(word) => word,
            Err(error) => {
                metrics::counter!("reintegra_rspamd_failures_total").increment(1);
                tracing::warn!(id = mail.id, %error, "rspamd does not say what it thinks of a message");
                match self.on_failure {
                    OnFailure::Accept => Word::Silent,
                    OnFailure::Later => Word::Refused(later("the message cannot be looked at for the moment")),
                }
            }
        }
    }

    async fn answer(&self, mail: &Mail, client: IpAddr, message: Bytes) -> Result<Word, Unanswered> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = self.request(mail, client, message);
        let exchange = async {
            let response = sender.send_request(request).await?;
            if !response.status().is_success() {
                return Err(Unanswered::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(Unanswered::Body)?.to_bytes();
            let answer = serde_json::from_slice(&body).map_err(|_| Unanswered::NoVerdict)?;
            self.word_of(&answer).ok_or(Unanswered::NoVerdict)
        };
        tokio::pin!(exchange);
        tokio::select! {
            word = &mut exchange => word,
            // The connection is done when the answer is whole, or when there is none.
            ended = connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error.into()),
            },
        }
    }

    fn request(&self, mail: &Mail, client: IpAddr, message: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(message.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = hyper::Uri::from_static("/checkv2");
        let from = mail.reverse_path();
        let client = client.to_canonical().to_string();
        let host = self.address.to_string();
        let length = message.len().to_string();
        let fields = [
            ("IP", client.as_str()),
            ("Helo", &mail.helo),
            ("From", &from),
            ("Queue-Id", &mail.id),
            ("MTA-Tag", "reintegra"),
        ];
        let headers = request.headers_mut();
        for (name, value) in [(HOST, host.as_str()), (CONTENT_LENGTH, &length)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        for (name, value) in fields {
            // Bytes beyond ASCII are taken as they are; what could end a line cannot stand in an address.
            if let (Ok(name), Ok(value)) =
                (name.parse::<hyper::header::HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
            {
                headers.insert(name, value);
            }
        }
        for recipient in mail.recipients.iter().take(MAX_RECIPIENTS) {
            if let Ok(value) = HeaderValue::from_bytes(recipient.address.to_string().as_bytes()) {
                headers.append("rcpt", value);
            }
        }
        request
    }

    /// What an answer says; `None`: it is none.
    fn word_of(&self, answer: &serde_json::Value) -> Option<Word> {
        let action = answer.get("action")?.as_str()?;
        let score = answer.get("score")?.as_f64()?;
        let required = answer.get("required_score").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        let reaches = |limit: Option<f64>| limit.is_some_and(|limit| score >= limit);
        let text =
            answer.get("messages").and_then(|messages| messages.get("smtp_message")).and_then(|text| text.as_str());
        let said = |otherwise: &str| {
            let text: String =
                text.unwrap_or_default().chars().filter(|c| matches!(c, ' '..='~')).take(MAX_TEXT_CHARS).collect();
            if text.is_empty() { otherwise.to_owned() } else { text }
        };
        Some(match action {
            "soft reject" => Word::Refused(later(&said("try again later"))),
            "greylist" => Word::Refused(later(&said("not known here yet: try again later"))),
            "reject" => Word::Refused(never(said("the message is taken for spam"))),
            _ if reaches(self.reject_score) => Word::Refused(never(said("the message is taken for spam"))),
            "add header" | "rewrite subject" | "quarantine" => Word::Passed { score, required, unwanted: true },
            _ => Word::Passed { score, required, unwanted: reaches(self.junk_score) },
        })
    }
}

fn later(text: &str) -> Policy {
    Policy { code: 451, enhanced: (4, 7, 1), text: text.to_owned() }
}

fn never(text: String) -> Policy {
    Policy { code: 550, enhanced: (5, 7, 1), text }
}

impl Word {
    pub(super) fn is_unwanted(&self) -> bool {
        matches!(self, Word::Passed { unwanted: true, .. })
    }

    /// The fields that say so, for filters of people's own.
    pub(super) fn fields(&self) -> String {
        let Word::Passed { score, required, unwanted } = self else { return String::new() };
        let (yes, flag) = if *unwanted { ("Yes", "X-Spam-Flag: YES\r\n") } else { ("No", "") };
        format!("{flag}X-Spam-Score: {score:.2}\r\nX-Spam-Status: {yes}, score={score:.2} required={required:.2}\r\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rspamd() -> Rspamd {
        Rspamd {
            address: "127.0.0.1:11333".parse().unwrap(),
            timeout: Duration::from_secs(1),
            junk_score: Some(5.0),
            reject_score: Some(20.0),
            on_failure: OnFailure::Accept,
        }
    }

    fn word(answer: &str) -> Option<Word> {
        rspamd().word_of(&serde_json::from_str(answer).unwrap())
    }

    #[test]
    fn every_action_has_its_word() {
        let passed = |unwanted| Word::Passed { score: 1.0, required: 15.0, unwanted };
        let with =
            |action: &str| word(&format!("{{\"action\":\"{action}\",\"score\":1,\"required_score\":15.0}}")).unwrap();
        assert_eq!(with("no action"), passed(false));
        assert_eq!(with("add header"), passed(true));
        assert_eq!(with("rewrite subject"), passed(true));
        for (action, code) in [("greylist", 451), ("soft reject", 451), ("reject", 550)] {
            assert!(matches!(with(action), Word::Refused(policy) if policy.code == code), "{action}");
        }
        assert!(word("{\"action\":\"no action\",\"score\":5.0}").unwrap().is_unwanted());
        assert!(
            matches!(word("{\"action\":\"add header\",\"score\":20.5}"), Some(Word::Refused(policy)) if policy.code == 550)
        );
        for none in ["{}", "[]", "null", "{\"action\":\"reject\"}", "{\"action\":1,\"score\":1}"] {
            assert_eq!(word(none), None, "{none}");
        }
    }

    #[test]
    fn its_words_are_bounded_and_plain() {
        let text = format!(
            "{{\"action\":\"reject\",\"score\":1,\"messages\":{{\"smtp_message\":\"a\\r\\nb{}\"}}}}",
            "x".repeat(999)
        );
        let Some(Word::Refused(policy)) = word(&text) else { panic!("it is refused") };
        assert!(policy.text.starts_with("abx") && policy.text.len() == MAX_TEXT_CHARS);
    }

    #[test]
    fn fields_say_what_it_thinks() {
        let fields = Word::Passed { score: 7.25, required: 15.0, unwanted: true }.fields();
        assert_eq!(
            fields,
            "X-Spam-Flag: YES\r\nX-Spam-Score: 7.25\r\nX-Spam-Status: Yes, score=7.25 required=15.00\r\n"
        );
        assert_eq!(Word::Silent.fields(), "");
        assert!(is_mark(b"x-spam-flag") && !is_mark(b"X-Spammer"));
    }
}
