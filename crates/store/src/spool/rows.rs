//! The statements on the index of the spool, and how rows become types. Plain SQL, values bound.

use super::meta::{
    Meta, envelope_traits, purpose_number, purpose_of, recipient_traits, with_recipient_traits, with_traits,
};
use super::types::{Counts, DeliveryId, DueHop, Envelope, Filter, Lane, Notify, QueueId, Queued, Recipient, State};
use crate::error::StoreError;
use crate::types::Place;
use message::Digest;
use rusqlite::{Connection, OptionalExtension, Row, Rows, params};
use std::collections::{BTreeMap, HashMap};

type Result<T> = std::result::Result<T, StoreError>;

macro_rules! select_message {
    ($tail:literal) => {
        concat!(
            "SELECT message_id, digest, size_bytes, reverse_path, purpose, account, envelope_id, traits, arrived_s, \
             expires_s, segment, position, record_bytes, key, put_s FROM message ",
            $tail
        )
    };
}

macro_rules! select_recipient {
    ($tail:literal) => {
        concat!(
            "SELECT message_id, number, address, hop, original, traits, state, due_s, attempts, last, lane \
             FROM recipient ",
            $tail
        )
    };
}

// What a runner asks again and again: with a million messages none of them may go through all of them.
const DUE_HOPS: &str = "SELECT hop, due_s, waiting FROM hop WHERE lane = ?1 AND due_s <= ?2 \
                        AND (due_s, hop) > (?3, ?4) ORDER BY due_s, hop LIMIT ?5";
const DUE: &str =
    select_recipient!("WHERE hop = ?1 AND lane = ?2 AND state = 0 AND due_s <= ?3 ORDER BY due_s, message_id, number");
const NEXT_DUE: &str = "SELECT min(due_s) FROM hop WHERE lane = ?1";
const FIRST_OF_HOP: &str = "SELECT min(due_s) FROM recipient WHERE hop = ?1 AND lane = ?2 AND state = 0";
const ENDED: &str = select_recipient!(
    "WHERE state = 1 AND (traits & 64) <> 0 AND due_s <= ?1 ORDER BY due_s, message_id, number LIMIT ?2"
);
const MESSAGE: &str = select_message!("WHERE message_id = ?1");
const RECIPIENTS: &str = select_recipient!("WHERE message_id = ?1 ORDER BY number");
const RECIPIENT: &str = select_recipient!("WHERE message_id = ?1 AND number = ?2");
const OLDEST: &str = "SELECT arrived_s FROM message ORDER BY message_id LIMIT 1";
const LIVES: &str = "SELECT 1 FROM message WHERE segment = ?1 LIMIT 1";
const LIVING: &str = "SELECT message_id, record_bytes FROM message WHERE segment = ?1 ORDER BY position";
const OLDEST_KEY: &str = "SELECT min(put_s) FROM key";
const FORGET_KEYS: &str = "DELETE FROM key WHERE key IN (SELECT key FROM key WHERE put_s < ?1 ORDER BY put_s LIMIT ?2)";

/// A message's row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) queued: Queued,
    pub(super) place: Place,
    /// Length of its record.
    pub(super) record_bytes: u64,
    pub(super) key: Option<DeliveryId>,
    pub(super) put_s: i64,
}

/// What a transaction changes of the totals and of hops.
#[derive(Default)]
pub(super) struct Change {
    messages: i64,
    size_bytes: i64,
    held: i64,
    /// By how many more recipients wait for a hop, in a lane.
    hops: BTreeMap<(String, i64), i64>,
}

fn bad(what: String) -> StoreError {
    StoreError::BadRow(what)
}

fn state_number(state: State) -> i64 {
    match state {
        State::Waiting => 0,
        State::Held => 1,
    }
}

fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Sent => 0,
        Lane::Automatic => 1,
    }
}

fn stored_at(row: &Row<'_>) -> Result<Stored> {
    let id = QueueId(row.get(0)?);
    let purpose = purpose_of(row.get(4)?).ok_or_else(|| bad(format!("message {id} is for nothing that there is")))?;
    let envelope = Envelope {
        reverse_path: row.get(3)?,
        purpose,
        account: row.get(5)?,
        envelope_id: row.get(6)?,
        returns: None,
        smtputf8: false,
        require_tls: false,
        arrived_s: row.get(8)?,
        expires_s: row.get(9)?,
    };
    let envelope = with_traits(row.get(7)?, envelope);
    let queued = Queued { id, envelope, digest: Digest(row.get(1)?), size_bytes: row.get(2)? };
    let place = Place { segment: row.get(10)?, position: row.get(11)? };
    let key = row.get::<_, Option<[u8; 16]>>(13)?.map(DeliveryId);
    Ok(Stored { queued, place, record_bytes: row.get(12)?, key, put_s: row.get(14)? })
}

fn recipient_at(row: &Row<'_>) -> Result<(QueueId, Recipient)> {
    let (id, number) = (QueueId(row.get(0)?), row.get(1)?);
    let state = match row.get(6)? {
        0 => State::Waiting,
        1 => State::Held,
        other => return Err(bad(format!("recipient {number} of message {id} has state {other}"))),
    };
    let recipient = Recipient {
        number,
        address: row.get(2)?,
        hop: row.get(3)?,
        notify: Notify::NEVER,
        original: row.get(4)?,
        hidden: false,
        state,
        ends: false,
        due_s: row.get(7)?,
        attempts: row.get(8)?,
        last: row.get(9)?,
        delay_told: false,
    };
    Ok((id, with_recipient_traits(row.get(5)?, recipient)))
}

// Totals.

/// Whether the index has been made, rather than only its tables.
pub(super) fn is_begun(db: &Connection) -> Result<bool> {
    Ok(db.query_row("SELECT EXISTS (SELECT 1 FROM total)", [], |r| r.get(0))?)
}

/// Makes the index one of nothing.
pub(super) fn begin(db: &Connection, next_id: i64) -> Result<()> {
    let sql = "INSERT INTO total (total_id, next_id, messages, size_bytes, waiting, held) VALUES (1, ?1, 0, 0, 0, 0)";
    db.execute(sql, [next_id])?;
    Ok(())
}

pub(super) fn next_id(db: &Connection) -> Result<i64> {
    Ok(db.prepare_cached("SELECT next_id FROM total")?.query_row([], |r| r.get(0))?)
}

pub(super) fn raise_next_id(db: &Connection, to: i64) -> Result<()> {
    db.prepare_cached("UPDATE total SET next_id = max(next_id, ?1)")?.execute([to])?;
    Ok(())
}

pub(super) fn counts(db: &Connection) -> Result<Counts> {
    let sql = "SELECT messages, size_bytes, waiting, held FROM total";
    let counts = |r: &Row<'_>| {
        Ok(Counts { messages: r.get(0)?, size_bytes: r.get(1)?, waiting: r.get(2)?, held: r.get(3)?, oldest_s: None })
    };
    let counts = db.prepare_cached(sql)?.query_row([], counts)?;
    let oldest_s = db.prepare_cached(OLDEST)?.query_row([], |r| r.get(0)).optional()?;
    Ok(Counts { oldest_s, ..counts })
}

impl Change {
    /// A recipient comes to wait for its hop or to be held there, or no longer does; or its time changes.
    fn recipient(&mut self, recipient: &Recipient, lane: i64, by: i64) {
        let waits = self.hops.entry((recipient.hop.clone(), lane)).or_default();
        match recipient.state {
            State::Waiting => *waits += by,
            State::Held => self.held += by,
        }
    }

    /// Writes it down, once every row is as it will be.
    pub(super) fn apply(self, db: &Connection) -> Result<()> {
        let Change { messages, size_bytes, held, hops } = self;
        let waiting: i64 = hops.values().sum();
        let sql = "UPDATE total SET messages = messages + ?1, size_bytes = size_bytes + ?2, waiting = waiting + ?3, \
                   held = held + ?4";
        db.prepare_cached(sql)?.execute([messages, size_bytes, waiting, held])?;
        for ((hop, lane), by) in hops {
            let first: Option<i64> = db.prepare_cached(FIRST_OF_HOP)?.query_row(params![hop, lane], |r| r.get(0))?;
            match first {
                Some(due_s) => {
                    let sql = "INSERT INTO hop (hop, lane, due_s, waiting) VALUES (?1, ?2, ?3, ?4) \
                               ON CONFLICT (hop, lane) DO UPDATE \
                               SET due_s = excluded.due_s, waiting = waiting + excluded.waiting";
                    db.prepare_cached(sql)?.execute(params![hop, lane, due_s, by])?;
                }
                None => {
                    let sql = "DELETE FROM hop WHERE hop = ?1 AND lane = ?2";
                    db.prepare_cached(sql)?.execute(params![hop, lane])?;
                }
            }
        }
        Ok(())
    }
}

// Messages.

/// Puts a message in, as its record says.
pub(super) fn insert(db: &Connection, stored: &Stored, recipients: &[Recipient], change: &mut Change) -> Result<()> {
    let Stored { queued, place, record_bytes, key, put_s } = stored;
    let e = &queued.envelope;
    let sql = "INSERT INTO message (message_id, digest, size_bytes, reverse_path, purpose, account, envelope_id, \
               traits, arrived_s, expires_s, segment, position, record_bytes, key, put_s) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    db.prepare_cached(sql)?.execute(params![
        queued.id.0,
        &queued.digest.as_bytes()[..],
        queued.size_bytes,
        e.reverse_path,
        purpose_number(e.purpose),
        e.account,
        e.envelope_id,
        envelope_traits(e),
        e.arrived_s,
        e.expires_s,
        place.segment,
        place.position,
        record_bytes,
        key.map(|k| k.0),
        put_s,
    ])?;
    change.messages += 1;
    change.size_bytes += queued.size_bytes as i64;
    let lane = lane_number(e.purpose.lane());
    for recipient in recipients {
        put_recipient(db, queued.id, recipient, lane)?;
        change.recipient(recipient, lane, 1);
        if let Some(key) = key {
            // Where what became of the one before was lost, both wait, and the later one is whom it names.
            let sql = "INSERT INTO key (key, message_id, put_s) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE \
                       SET message_id = excluded.message_id, put_s = excluded.put_s \
                       WHERE excluded.message_id > message_id";
            db.prepare_cached(sql)?.execute(params![key.of_recipient(&recipient.address).0, queued.id.0, put_s])?;
        }
    }
    raise_next_id(db, queued.id.0.saturating_add(1))
}

pub(super) fn message(db: &Connection, id: QueueId) -> Result<Option<Stored>> {
    let mut statement = db.prepare_cached(MESSAGE)?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map(stored_at).transpose()
}

/// All that a record says of a message, as it is now.
pub(super) fn meta(db: &Connection, stored: &Stored) -> Result<Meta> {
    let Stored { queued, key, put_s, .. } = stored;
    let recipients = recipients(db, queued.id)?;
    Ok(Meta { id: queued.id, key: *key, put_s: *put_s, envelope: queued.envelope.clone(), recipients })
}

pub(super) fn set_place(db: &Connection, id: QueueId, place: Place, record_bytes: u64) -> Result<()> {
    let sql = "UPDATE message SET segment = ?2, position = ?3, record_bytes = ?4 WHERE message_id = ?1";
    db.prepare_cached(sql)?.execute(params![id.0, place.segment, place.position, record_bytes])?;
    Ok(())
}

/// Takes a message out that no recipient waits for any more.
pub(super) fn delete_if_done(db: &Connection, id: QueueId, change: &mut Change) -> Result<()> {
    let sql = "DELETE FROM message WHERE message_id = ?1 \
               AND NOT EXISTS (SELECT 1 FROM recipient WHERE message_id = ?1) RETURNING size_bytes";
    if let Some(size_bytes) = db.prepare_cached(sql)?.query_row([id.0], |r| r.get::<_, i64>(0)).optional()? {
        change.messages -= 1;
        change.size_bytes -= size_bytes;
    }
    Ok(())
}

pub(super) fn for_each_message(db: &Connection, mut each: impl FnMut(Stored) -> Result<()>) -> Result<()> {
    let mut statement = db.prepare_cached(select_message!("ORDER BY segment, position"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(stored_at(row)?)?;
    }
    Ok(())
}

/// Messages behind one, in their order, of which a recipient has all that a filter asks for.
pub(super) fn list(
    db: &Connection,
    after: Option<QueueId>,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<(Queued, Vec<Recipient>)>> {
    let sql = "SELECT message_id FROM message m WHERE message_id > ?1 \
               AND (?2 IS NULL OR reverse_path = ?2 COLLATE NOCASE) \
               AND EXISTS (SELECT 1 FROM recipient r WHERE r.message_id = m.message_id \
               AND (?3 IS NULL OR r.address = ?3 COLLATE NOCASE) AND (?4 IS NULL OR r.hop = ?4) \
               AND (?5 IS NULL OR r.state = ?5)) ORDER BY message_id LIMIT ?6";
    let Filter { sender, recipient, hop, state } = filter;
    let after = after.map_or(i64::MIN, |id| id.0);
    let values = params![after, sender, recipient, hop, state.map(state_number), limit_number(limit)];
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map(values, |r| r.get(0).map(QueueId))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(stored) = message(db, id)? {
            found.push((stored.queued, recipients(db, id)?));
        }
    }
    Ok(found)
}

fn limit_number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

// Recipients.

fn put_recipient(db: &Connection, id: QueueId, r: &Recipient, lane: i64) -> Result<()> {
    let sql = "INSERT INTO recipient (message_id, number, address, hop, original, traits, state, due_s, attempts, \
               last, lane) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (message_id, number) DO UPDATE SET \
               traits = excluded.traits, state = excluded.state, due_s = excluded.due_s, \
               attempts = excluded.attempts, last = excluded.last";
    db.prepare_cached(sql)?.execute(params![
        id.0,
        r.number,
        r.address,
        r.hop,
        r.original,
        recipient_traits(r),
        state_number(r.state),
        r.due_s,
        r.attempts,
        r.last,
        lane,
    ])?;
    Ok(())
}

pub(super) fn recipients(db: &Connection, id: QueueId) -> Result<Vec<Recipient>> {
    let mut statement = db.prepare_cached(RECIPIENTS)?;
    let mut rows = statement.query([id.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(recipient_at(row)?.1);
    }
    Ok(found)
}

/// A recipient, and the number of the lane that it waits in.
pub(super) fn recipient(db: &Connection, id: QueueId, number: u32) -> Result<Option<(Recipient, i64)>> {
    let mut statement = db.prepare_cached(RECIPIENT)?;
    let mut rows = statement.query(params![id.0, number])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((recipient_at(row)?.1, row.get(10)?)))
}

/// Puts a recipient, changed, into the place of what it was.
pub(super) fn change_recipient(
    db: &Connection,
    id: QueueId,
    was: &Recipient,
    is: &Recipient,
    lane: i64,
    change: &mut Change,
) -> Result<()> {
    change.recipient(was, lane, -1);
    change.recipient(is, lane, 1);
    put_recipient(db, id, is, lane)
}

pub(super) fn delete_recipient(
    db: &Connection,
    id: QueueId,
    was: &Recipient,
    lane: i64,
    change: &mut Change,
) -> Result<()> {
    change.recipient(was, lane, -1);
    let sql = "DELETE FROM recipient WHERE message_id = ?1 AND number = ?2";
    db.prepare_cached(sql)?.execute(params![id.0, was.number])?;
    Ok(())
}

// What is due.

pub(super) fn due_hops(
    db: &Connection,
    lane: Lane,
    now_s: i64,
    after: Option<&DueHop>,
    limit: usize,
) -> Result<Vec<DueHop>> {
    let mut statement = db.prepare_cached(DUE_HOPS)?;
    let (after_s, after_hop) = after.map_or((i64::MIN, ""), |hop| (hop.due_s, &hop.hop));
    let hop = |r: &Row<'_>| Ok(DueHop { hop: r.get(0)?, due_s: r.get(1)?, waiting: r.get(2)? });
    let values = params![lane_number(lane), now_s, after_s, after_hop, limit_number(limit)];
    let found = statement.query_map(values, hop)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn next_due(db: &Connection) -> Result<Option<i64>> {
    let mut first = None;
    for lane in Lane::ALL {
        let of_lane: Option<i64> = db.prepare_cached(NEXT_DUE)?.query_row([lane_number(lane)], |r| r.get(0))?;
        first = first.into_iter().chain(of_lane).min();
    }
    Ok(first)
}

/// Messages of which recipients are due at a hop, those due first before others, with these recipients.
pub(super) fn due(
    db: &Connection,
    hop: &str,
    lane: Lane,
    now_s: i64,
    limit: usize,
) -> Result<Vec<(Queued, Vec<Recipient>)>> {
    let mut statement = db.prepare_cached(DUE)?;
    by_message(db, statement.query(params![hop, lane_number(lane), now_s])?, limit)
}

/// Messages of which recipients are held until a time that is over, with these recipients; of up to so many recipients.
pub(super) fn ended(db: &Connection, now_s: i64, limit: usize) -> Result<Vec<(Queued, Vec<Recipient>)>> {
    let mut statement = db.prepare_cached(ENDED)?;
    by_message(db, statement.query(params![now_s, limit_number(limit)])?, usize::MAX)
}

/// Recipients by their messages; of up to so many messages, in the order of the first recipient of each.
fn by_message(db: &Connection, mut rows: Rows<'_>, limit: usize) -> Result<Vec<(Queued, Vec<Recipient>)>> {
    let mut found: Vec<(Queued, Vec<Recipient>)> = Vec::new();
    let mut places: HashMap<QueueId, usize> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (id, recipient) = recipient_at(row)?;
        if let Some(place) = places.get(&id) {
            found[*place].1.push(recipient);
        } else if found.len() == limit {
            break;
        } else if let Some(stored) = message(db, id)? {
            places.insert(id, found.len());
            found.push((stored.queued, vec![recipient]));
        }
    }
    found.iter_mut().for_each(|(_, recipients)| recipients.sort_by_key(|r| r.number));
    Ok(found)
}

// Keys.

/// The message that was put in for a recipient that a key names.
pub(super) fn by_key(db: &Connection, key: DeliveryId) -> Result<Option<QueueId>> {
    let sql = "SELECT message_id FROM key WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([key.0], |r| r.get(0).map(QueueId)).optional()?)
}

/// Forgets the key of a recipient of a message, if it is that message's still.
pub(super) fn forget_key(db: &Connection, id: QueueId, address: &str) -> Result<()> {
    let Some(key) = message(db, id)?.and_then(|stored| stored.key) else { return Ok(()) };
    let sql = "DELETE FROM key WHERE key = ?1 AND message_id = ?2";
    db.prepare_cached(sql)?.execute(params![key.of_recipient(address).0, id.0])?;
    Ok(())
}

pub(super) fn oldest_key(db: &Connection) -> Result<Option<i64>> {
    Ok(db.prepare_cached(OLDEST_KEY)?.query_row([], |r| r.get(0))?)
}

/// Forgets up to so many keys from before a time. Gives how many.
pub(super) fn forget_keys(db: &Connection, before_s: i64, limit: usize) -> Result<usize> {
    Ok(db.prepare_cached(FORGET_KEYS)?.execute(params![before_s, limit_number(limit)])?)
}

// Segments.

/// Whether a message has its record in a segment.
pub(super) fn lives(db: &Connection, segment: u32) -> Result<bool> {
    Ok(db.prepare_cached(LIVES)?.exists([segment])?)
}

/// Messages that have their records in a segment, in the order of these; up to so many, and no more than fit into so many
/// bytes, but for the last.
pub(super) fn living(db: &Connection, segment: u32, limit: usize, bytes: u64) -> Result<(Vec<QueueId>, u64)> {
    let mut statement = db.prepare_cached(LIVING)?;
    let mut rows = statement.query([segment])?;
    let (mut found, mut sum) = (Vec::new(), 0);
    while found.len() < limit && sum < bytes {
        let Some(row) = rows.next()? else { break };
        found.push(QueueId(row.get(0)?));
        sum += row.get::<_, u64>(1)?;
    }
    Ok((found, sum))
}

// What a check asks.

/// Sentences about rows that do not fit together.
pub(super) fn misfits(db: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT 'recipients of message ' || printf('%X', message_id) || ' belong to nothing' FROM recipient r \
               WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.message_id = r.message_id) GROUP BY message_id \
               UNION ALL SELECT 'message ' || printf('%X', message_id) || ' has no recipient' FROM message m \
               WHERE NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message_id = m.message_id) \
               UNION ALL SELECT 'message ' || printf('%X', message_id) || ' has a number that may be given again' \
               FROM message, total WHERE message_id >= next_id \
               UNION ALL SELECT 'what is counted is not what there is' FROM total \
               WHERE messages <> (SELECT count(*) FROM message) \
               OR size_bytes <> (SELECT coalesce(sum(size_bytes), 0) FROM message) \
               OR waiting <> (SELECT count(*) FROM recipient WHERE state = 0) \
               OR held <> (SELECT count(*) FROM recipient WHERE state = 1) \
               UNION ALL SELECT 'what waits for hops is not what is said of them' WHERE EXISTS \
               (SELECT hop, lane, due_s, waiting FROM hop EXCEPT \
               SELECT hop, lane, min(due_s), count(*) FROM recipient WHERE state = 0 GROUP BY hop, lane) \
               OR (SELECT count(*) FROM hop) \
               <> (SELECT count(*) FROM (SELECT DISTINCT hop, lane FROM recipient WHERE state = 0)) \
               UNION ALL SELECT 'a recipient of message ' || printf('%X', message_id) || ' waits in the wrong lane' \
               FROM recipient JOIN message USING (message_id) WHERE lane <> (purpose IN (2, 3))";
    let mut statement = db.prepare(sql)?;
    let found = statement.query_map([], |r| r.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_index_of_the_second_version_becomes_one_of_the_third() {
        let db = Connection::open_in_memory().unwrap();
        let [first, second, third] = crate::index::sqlite::QUEUE else { panic!("there are three") };
        [first, second].into_iter().for_each(|sql| db.execute_batch(sql).unwrap());
        db.execute_batch(
            "INSERT INTO total VALUES (1, 9, 2, 0, 3, 1);
             INSERT INTO message VALUES (1, 1, 0, 0, x'00', 0, NULL, 0, '', 0, NULL, NULL, 16, 0, 0);
             INSERT INTO message VALUES (2, 1, 0, 0, x'00', 0, NULL, 0, '', 2, NULL, NULL, 0, 0, 0);
             INSERT INTO recipient VALUES (1, 0, 'a@b', 'b', NULL, 0, 0, 5, 0, NULL), (1, 1, 'c@b', 'b', NULL, 0, 1, 5, 0, NULL);
             INSERT INTO recipient VALUES (2, 0, 'a@b', 'b', NULL, 0, 0, 3, 0, NULL), (2, 1, 'a@d', 'd', NULL, 0, 0, 4, 0, NULL);
             INSERT INTO hop VALUES ('b', 3, 2), ('d', 4, 1);",
        )
        .unwrap();
        db.execute_batch(third).unwrap();
        assert_eq!(misfits(&db).unwrap(), [""; 0]);
        let hops = |lane| due_hops(&db, lane, 9, None, 9).unwrap();
        assert_eq!(hops(Lane::Sent), [DueHop { hop: "b".into(), due_s: 5, waiting: 1 }]);
        assert_eq!(hops(Lane::Automatic).len(), 2);
    }

    #[test]
    fn what_is_asked_often_is_found_and_not_searched_for() {
        let db = Connection::open_in_memory().unwrap();
        crate::index::sqlite::QUEUE.iter().for_each(|sql| db.execute_batch(sql).unwrap());
        let asked = [
            DUE_HOPS,
            DUE,
            NEXT_DUE,
            FIRST_OF_HOP,
            ENDED,
            MESSAGE,
            RECIPIENTS,
            RECIPIENT,
            LIVES,
            LIVING,
            OLDEST_KEY,
            FORGET_KEYS,
        ];
        for sql in asked {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec![rusqlite::types::Value::Integer(1); statement.parameter_count()];
            let step = |r: &Row<'_>| r.get::<_, String>(3);
            let plan = statement.query_map(rusqlite::params_from_iter(values), step).unwrap();
            let plan: Vec<String> = plan.map(|step| step.unwrap()).collect();
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN") || step.contains("B-TREE")), "{sql}: {plan:?}");
        }
        // The first row of all, by the key that the table is sorted by.
        assert!(OLDEST.ends_with("FROM message ORDER BY message_id LIMIT 1"));
    }
}
