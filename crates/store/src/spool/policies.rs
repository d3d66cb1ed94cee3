//! Policies of MTA-STS (RFC 8461 §5.1): one that was found holds until its time is over, whatever is found meanwhile, and
//! so over a restart too. They are nothing that mail depends on: what is wrong with one costs that one.

use super::{Result, Spool};
use rusqlite::{Connection, Row, params};

/// Domains whose policies are kept. Of more, those go first that were fetched first.
const MAX_POLICIES: i64 = 10_000;
/// Length of all policies together, in bytes. Of more, the longest go first: so nobody drives out the short ones, which
/// real ones are, with a few that are long.
const MAX_BYTES: i64 = 32 << 20;

/// A policy of MTA-STS as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsPolicy {
    /// Whose policy it is.
    pub domain: String,
    /// What the domain's TXT record called it.
    pub id: String,
    /// Its text.
    pub policy: String,
    /// When it was fetched, in seconds since 1970 UTC.
    pub fetched_s: i64,
    /// Until when it holds, in seconds since 1970 UTC.
    pub expires_s: i64,
}

impl Spool {
    /// Keeps policies, each in place of what its domain had, and forgets those whose time is over. Of more than 10,000, or
    /// than 32 MiB, some are not kept. A power loss may take it back; the end of the process does not.
    ///
    /// # Errors
    /// Those of the index.
    pub fn keep_sts_policies(&self, policies: &[StsPolicy], now_s: i64) -> Result<()> {
        self.ready_pen()?.writer.transact(false, |db, _| {
            policies.iter().try_for_each(|policy| put(db, policy))?;
            forget(db, now_s)?;
            trim(db)
        })
    }

    /// The policies that are kept and hold, those fetched first before others. Rows that are no policy are passed over.
    ///
    /// # Errors
    /// Those of the index.
    pub fn sts_policies(&self, now_s: i64) -> Result<Vec<StsPolicy>> {
        self.readers.read(|db| {
            let sql = "SELECT domain, id, policy, fetched_s, expires_s FROM sts_policy WHERE expires_s > ?1 \
                       ORDER BY fetched_s, domain";
            let mut statement = db.prepare_cached(sql)?;
            let mut rows = statement.query([now_s])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.extend(policy(row));
            }
            Ok(found)
        })
    }
}

fn policy(row: &Row<'_>) -> Option<StsPolicy> {
    let text = |column| row.get_ref(column).ok()?.as_str().ok().map(str::to_owned);
    let time = |column| row.get_ref(column).ok()?.as_i64().ok();
    Some(StsPolicy { domain: text(0)?, id: text(1)?, policy: text(2)?, fetched_s: time(3)?, expires_s: time(4)? })
}

fn put(db: &Connection, policy: &StsPolicy) -> Result<()> {
    let StsPolicy { domain, id, policy, fetched_s, expires_s } = policy;
    let sql =
        "INSERT OR REPLACE INTO sts_policy (domain, id, policy, fetched_s, expires_s) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![domain, id, policy, fetched_s, expires_s])?;
    Ok(())
}

/// When the first of them ends.
pub(super) fn first_end(db: &Connection) -> Result<Option<i64>> {
    Ok(db.prepare_cached("SELECT min(expires_s) FROM sts_policy")?.query_row([], |r| r.get(0))?)
}

/// Forgets those whose time is over. Gives how many.
pub(super) fn forget(db: &Connection, now_s: i64) -> Result<usize> {
    Ok(db.prepare_cached("DELETE FROM sts_policy WHERE expires_s <= ?1")?.execute([now_s])?)
}

fn trim(db: &Connection) -> Result<()> {
    let sql = "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy \
               ORDER BY fetched_s DESC, domain LIMIT -1 OFFSET ?1)";
    db.prepare_cached(sql)?.execute([MAX_POLICIES])?;
    let sql = "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM \
               (SELECT domain, sum(octet_length(policy)) OVER (ORDER BY octet_length(policy), domain) AS bytes \
               FROM sts_policy) WHERE bytes > ?1)";
    db.prepare_cached(sql)?.execute([MAX_BYTES])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::index::sqlite;
    use crate::store::OpenOptions;

    const DAY_S: i64 = 86_400;

    fn open(dir: &std::path::Path) -> Spool {
        Spool::open(dir, OpenOptions::for_purpose("a test")).unwrap()
    }

    fn of(domain: &str, fetched_s: i64) -> StsPolicy {
        StsPolicy {
            domain: domain.to_owned(),
            id: "20261122".to_owned(),
            policy: "version: STSv1\nmode: enforce\nmx: mx.example.net\nmax_age: 86400\n".to_owned(),
            fetched_s,
            expires_s: fetched_s + DAY_S,
        }
    }

    fn domains(spool: &Spool, now_s: i64) -> Vec<String> {
        spool.sts_policies(now_s).unwrap().into_iter().map(|policy| policy.domain).collect()
    }

    #[test]
    fn a_policy_outlives_its_process_and_not_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        spool.keep_sts_policies(&[of("a.example", 0), of("b.example", 10)], 10).unwrap();
        // A newer one is in the place of an older one.
        let newer = StsPolicy { id: "2".to_owned(), ..of("a.example", 20) };
        spool.keep_sts_policies(std::slice::from_ref(&newer), 20).unwrap();
        drop(spool);
        let spool = open(dir.path());
        assert_eq!(spool.sts_policies(20).unwrap(), [of("b.example", 10), newer]);
        assert_eq!(domains(&spool, 10 + DAY_S), ["a.example"]);
        assert!(domains(&spool, 20 + DAY_S).is_empty());
        // They are forgotten when others come, and by tidying.
        spool.keep_sts_policies(&[of("c.example", 100)], 10 + DAY_S).unwrap();
        assert_eq!(domains(&spool, 0), ["a.example", "c.example"]);
        assert_eq!(spool.tidy(100 + DAY_S).unwrap().forgotten, 2);
        assert!(domains(&spool, 0).is_empty());
        assert_eq!(spool.check().unwrap().problems, [""; 0]);
    }

    #[test]
    fn there_are_not_more_than_so_many() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        let many: Vec<StsPolicy> = (0..=MAX_POLICIES).map(|n| of(&format!("{n}.example"), n)).collect();
        spool.keep_sts_policies(&many, 0).unwrap();
        let kept = domains(&spool, 0);
        assert_eq!((kept.len() as i64, kept[0].as_str()), (MAX_POLICIES, "1.example"));
    }

    #[test]
    fn of_too_much_the_longest_go() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        let long = |n: i64| StsPolicy { policy: "x".repeat(MAX_BYTES as usize / 4), ..of(&format!("{n}.long"), n) };
        let policies: Vec<StsPolicy> = std::iter::once(of("short.example", 0)).chain((1..=4).map(long)).collect();
        spool.keep_sts_policies(&policies, 0).unwrap();
        assert_eq!(domains(&spool, 0), ["short.example", "1.long", "2.long", "3.long"]);
    }

    #[test]
    fn rows_that_are_no_policy_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        let policies: Vec<StsPolicy> = (0..4).map(|n| of(&format!("{n}.example"), n)).collect();
        spool.keep_sts_policies(&policies, 0).unwrap();
        let db = Connection::open(dir.path().join("queue.sqlite")).unwrap();
        db.execute_batch(
            "UPDATE sts_policy SET policy = x'ff' WHERE domain = '0.example'; \
             UPDATE sts_policy SET id = CAST(x'ff' AS TEXT) WHERE domain = '1.example'; \
             UPDATE sts_policy SET fetched_s = 'soon' WHERE domain = '2.example';",
        )
        .unwrap();
        assert_eq!(domains(&spool, 0), ["3.example"]);
    }

    /// The index of a queue from before there were policies.
    #[test]
    fn an_index_of_the_first_version_gets_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("queue.sqlite");
        drop(open(dir.path()));
        std::fs::remove_file(&path).unwrap();
        let first = sqlite::open_writer(&path, None, &sqlite::QUEUE[..1], true).unwrap();
        assert!(first_end(&first).is_err());
        drop(first);
        let spool = open(dir.path());
        spool.keep_sts_policies(&[of("a.example", 0)], 0).unwrap();
        assert_eq!(domains(&spool, 0), ["a.example"]);
    }
}
