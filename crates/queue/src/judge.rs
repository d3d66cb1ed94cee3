//! What becomes of recipients after a try, and who is told what. Pure: time, message and verdicts come from the caller.

use crate::dsn::{Action, Cause, Fate, Kind};
use crate::job::{Said, Verdict};
use crate::schedule::Schedule;
use store::spool::{Envelope, Purpose, Queued, Recipient, Settled};

/// What a recipient's last words are cut to, in octets.
const MAX_WORDS: usize = 1000;

/// What becomes of recipients of a message.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// By number.
    pub(crate) settled: Vec<(u32, Settled)>,
    /// What is told, one notice of a kind at most.
    pub(crate) notices: Vec<Notice>,
    /// How many of what, for the metrics.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
}

/// Something that is told about a message.
#[derive(Debug)]
pub(crate) struct Notice {
    /// What.
    pub(crate) kind: Kind,
    /// About whom, by number and with what became of them.
    pub(crate) fates: Vec<(u32, Fate)>,
}

/// How a try ended for a recipient.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// Somebody said something about it.
    Tried(Verdict),
    /// An operator gave it up.
    GivenUp(String),
}

impl Ending {
    /// The word for it in the metrics; `is_over` says that there will be no other try.
    fn outcome(&self, is_over: bool) -> &'static str {
        match self {
            Ending::Tried(Verdict::Later(_)) if is_over => "expired",
            Ending::Tried(verdict) => verdict.outcome(),
            Ending::GivenUp(_) => "given_up",
        }
    }
}

/// Judges a try. `hop_retry_s` says when the hop is tried again where it could not be reached at all.
pub(crate) fn judge(
    schedule: &Schedule,
    message: &Queued,
    endings: Vec<(&Recipient, Ending)>,
    hop_retry_s: Option<i64>,
    now_s: i64,
) -> Judged {
    let mut judged = Judged::default();
    let envelope = &message.envelope;
    let is_over = now_s >= envelope.expires_s;
    for (recipient, ending) in endings {
        let tell = |judged: &mut Judged, kind, action, cause, said: &Said| {
            let fate = Fate {
                address: recipient.address.clone(),
                original: recipient.original.clone(),
                hidden: recipient.hidden,
                action,
                cause,
                status: said.status,
                answered: said.server.is_some(),
                server: said.server.clone(),
                said: said.text.clone(),
            };
            let notice = match judged.notices.iter().position(|notice| notice.kind == kind) {
                Some(at) => &mut judged.notices[at],
                None => {
                    judged.notices.push(Notice { kind, fates: Vec::new() });
                    judged.notices.last_mut().expect("it was put there")
                }
            };
            notice.fates.push((recipient.number, fate));
        };
        let outcome = ending.outcome(is_over);
        let settled = match ending {
            Ending::Tried(Verdict::Relayed { said, tells }) => {
                // Of one that the sender did not name it was not asked to.
                if recipient.notify.success && (!tells || recipient.hidden) {
                    tell(&mut judged, Kind::Success, Action::Relayed, Cause::Status, &said);
                }
                Settled::Done
            }
            Ending::Tried(Verdict::Delivered) => {
                if recipient.notify.success {
                    let said = Said { server: None, status: (2, 1, 5), text: String::new() };
                    tell(&mut judged, Kind::Success, Action::Delivered, Cause::Status, &said);
                }
                Settled::Done
            }
            Ending::Tried(Verdict::Never(said)) => {
                if is_told_of_failure(envelope, recipient) {
                    tell(&mut judged, Kind::Failed, Action::Failed, Cause::Status, &said);
                }
                Settled::Failed
            }
            Ending::Tried(Verdict::Later(said)) if is_over => {
                if is_told_of_failure(envelope, recipient) {
                    tell(&mut judged, Kind::Failed, Action::Failed, Cause::Expired, &said);
                }
                Settled::Failed
            }
            Ending::Tried(Verdict::Later(said)) => {
                let delay_told = is_told_of_delay(schedule, envelope, recipient, now_s);
                if delay_told {
                    tell(&mut judged, Kind::Delayed, Action::Delayed, Cause::Status, &said);
                }
                let attempts = recipient.attempts.saturating_add(1);
                let due_s = hop_retry_s
                    .unwrap_or_else(|| schedule.next(envelope.purpose, message.id, recipient.number, attempts, now_s));
                // The last try is at the end, not before it.
                let due_s = due_s.min(envelope.expires_s);
                Settled::Again { due_s, said: words(&said), delay_told }
            }
            Ending::GivenUp(why) => {
                if is_told_of_failure(envelope, recipient) {
                    let said = Said { server: None, status: (5, 7, 0), text: why };
                    tell(&mut judged, Kind::Failed, Action::Failed, Cause::Operator, &said);
                }
                Settled::Failed
            }
        };
        judged.settled.push((recipient.number, settled));
        match judged.outcomes.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => judged.outcomes.push((outcome, 1)),
        }
    }
    judged
}

/// Whether somebody hears of a failure. Of a DSN that fails always somebody does; of an automatic answer nobody (RFC 3834 §2).
fn is_told_of_failure(envelope: &Envelope, recipient: &Recipient) -> bool {
    match envelope.purpose {
        Purpose::Notification => true,
        Purpose::Reply => false,
        Purpose::Submission | Purpose::Forward | Purpose::Held => recipient.notify.failure,
    }
}

/// Whether the sender hears now that it takes long: those who sent something from here, once. To others it would be mail about
/// a delay that they can do nothing about (RFC 3461 §4.1 leaves it to the server).
fn is_told_of_delay(schedule: &Schedule, envelope: &Envelope, recipient: &Recipient, now_s: i64) -> bool {
    envelope.purpose == Purpose::Submission
        && recipient.notify.delay
        && !recipient.delay_told
        && !envelope.reverse_path.is_empty()
        && now_s.saturating_sub(envelope.arrived_s) >= schedule.delay_notice_s
}

/// What is kept of what was said, on one line.
fn words(Said { server, status: (class, subject, detail), text }: &Said) -> String {
    let server = server.as_ref().map(|server| format!("{server}: ")).unwrap_or_default();
    let said = format!("{server}{class}.{subject}.{detail} {text}");
    let mut said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    said.truncate(said.floor_char_boundary(MAX_WORDS));
    said
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use message::Digest;
    use store::spool::{Notify, QueueId, State};

    const DAY_S: i64 = 86_400;

    fn message(purpose: Purpose) -> Queued {
        let envelope = Envelope {
            reverse_path: "ana@example.org".into(),
            purpose,
            account: None,
            envelope_id: None,
            returns: None,
            smtputf8: false,
            require_tls: false,
            arrived_s: 0,
            expires_s: 5 * DAY_S,
        };
        Queued { id: QueueId::unchecked(1), envelope, digest: Digest([0; 32]), size_bytes: 10 }
    }

    fn recipient(notify: Notify) -> Recipient {
        Recipient {
            number: 3,
            address: "eva@example.net".into(),
            hop: "example.net".into(),
            notify,
            original: None,
            hidden: false,
            state: State::Waiting,
            ends: false,
            due_s: 0,
            attempts: 0,
            last: None,
            delay_told: false,
        }
    }

    fn said(server: Option<&str>, status: (u8, u16, u16)) -> Said {
        Said { server: server.map(str::to_owned), status, text: "words".into() }
    }

    fn judge_one(message: &Queued, recipient: &Recipient, verdict: Verdict, now_s: i64) -> Judged {
        judge(&Schedule::default(), message, vec![(recipient, Ending::Tried(verdict))], None, now_s)
    }

    fn told(judged: &Judged) -> Vec<(Kind, Action)> {
        judged.notices.iter().flat_map(|n| n.fates.iter().map(|(_, fate)| (n.kind, fate.action))).collect()
    }

    const ALL: Notify = Notify { success: true, failure: true, delay: true };

    #[test]
    fn success_is_told_to_those_who_asked_and_only_where_the_next_server_does_not() {
        let message = message(Purpose::Submission);
        let relayed = |tells| Verdict::Relayed { said: said(Some("mx"), (2, 0, 0)), tells };
        let one = |notify, verdict| told(&judge_one(&message, &recipient(notify), verdict, 1));
        assert_eq!(one(ALL, relayed(false)), [(Kind::Success, Action::Relayed)]);
        assert_eq!(one(ALL, relayed(true)), []);
        assert_eq!(one(ALL, Verdict::Delivered), [(Kind::Success, Action::Delivered)]);
        assert_eq!(one(Notify::DEFAULT, relayed(false)), []);
        assert_eq!(one(Notify::DEFAULT, Verdict::Delivered), []);
    }

    #[test]
    fn what_fails_leaves_and_is_told_unless_nobody_wants_to_hear() {
        let failed = |purpose, notify| {
            let judged = judge_one(&message(purpose), &recipient(notify), Verdict::Never(said(None, (5, 1, 1))), 1);
            assert_eq!(judged.settled, [(3, Settled::Failed)]);
            told(&judged)
        };
        assert_eq!(failed(Purpose::Submission, Notify::DEFAULT), [(Kind::Failed, Action::Failed)]);
        assert_eq!(failed(Purpose::Submission, Notify::NEVER), []);
        assert_eq!(failed(Purpose::Reply, Notify::DEFAULT), []);
        assert_eq!(failed(Purpose::Notification, Notify::NEVER), [(Kind::Failed, Action::Failed)]);
    }

    #[test]
    fn what_is_put_off_comes_again_and_once_at_its_end() {
        let (message, recipient) = (message(Purpose::Submission), recipient(Notify::DEFAULT));
        let later = || Verdict::Later(said(Some("mx.example.net"), (4, 2, 2)));
        let judged = judge_one(&message, &recipient, later(), 100);
        let [(3, Settled::Again { due_s, said, delay_told: false })] = judged.settled.as_slice() else {
            panic!("{judged:?}")
        };
        assert!((172..=208).contains(due_s));
        assert_eq!(said, "mx.example.net: 4.2.2 words");
        assert!(judged.notices.is_empty());

        let tired = Recipient { attempts: 50, delay_told: true, ..recipient };
        let judged = judge_one(&message, &tired, later(), 5 * DAY_S - 60);
        assert!(matches!(judged.settled[0].1, Settled::Again { due_s, .. } if due_s == 5 * DAY_S));
        let judged = judge_one(&message, &tired, later(), 5 * DAY_S);
        assert_eq!(judged.settled, [(3, Settled::Failed)]);
        assert_eq!(told(&judged), [(Kind::Failed, Action::Failed)]);
        assert_eq!(judged.notices[0].fates[0].1.cause, Cause::Expired);
    }

    #[test]
    fn a_delay_is_told_once_and_only_to_those_who_sent_it_from_here() {
        let delayed = |purpose, recipient: &Recipient, now_s| {
            told(&judge_one(&message(purpose), recipient, Verdict::Later(said(None, (4, 4, 1))), now_s))
        };
        let fresh = recipient(Notify::DEFAULT);
        assert_eq!(delayed(Purpose::Submission, &fresh, 4 * 3600 - 1), []);
        assert_eq!(delayed(Purpose::Submission, &fresh, 4 * 3600), [(Kind::Delayed, Action::Delayed)]);
        assert_eq!(delayed(Purpose::Forward, &fresh, 4 * 3600), []);
        assert_eq!(delayed(Purpose::Submission, &Recipient { delay_told: true, ..fresh }, 5 * 3600), []);
        let unasked = recipient(Notify { delay: false, ..Notify::DEFAULT });
        assert_eq!(delayed(Purpose::Submission, &unasked, 5 * 3600), []);
    }

    #[test]
    fn how_many_ended_how_is_counted_in_the_words_of_the_log() {
        let message = message(Purpose::Submission);
        let recipient = recipient(Notify::DEFAULT);
        let later = || Verdict::Later(said(None, (4, 4, 1)));
        let verdicts = [
            later(),
            Verdict::Never(said(None, (5, 1, 1))),
            later(),
            Verdict::Delivered,
            Verdict::Relayed { said: said(Some("mx"), (2, 0, 0)), tells: false },
        ];
        let judged_at = |now_s| {
            let mut endings: Vec<_> = verdicts.iter().map(|v| (&recipient, Ending::Tried(v.clone()))).collect();
            endings.push((&recipient, Ending::GivenUp("not wanted".into())));
            judge(&Schedule::default(), &message, endings, None, now_s).outcomes
        };
        let rest = [("failed", 1), ("delivered", 1), ("relayed", 1), ("given_up", 1)];
        assert_eq!(judged_at(1), [&[("later", 2)][..], &rest].concat());
        assert_eq!(judged_at(5 * DAY_S), [&[("expired", 2)][..], &rest].concat());
    }

    #[test]
    fn a_hop_out_of_reach_says_when_its_mail_is_tried() {
        let (message, recipient) = (message(Purpose::Submission), recipient(Notify::DEFAULT));
        let ending = Ending::Tried(Verdict::Later(said(None, (4, 4, 1))));
        let judged = judge(&Schedule::default(), &message, vec![(&recipient, ending)], Some(777), 100);
        assert!(matches!(judged.settled[0].1, Settled::Again { due_s: 777, .. }));
    }
}
