//! The audit log: bounded, newest kept.

use rusqlite::params;
use thaw_api_types::AuditEntry;

use super::{ApiDb, ApiDbError};

/// What was done, at most. Refusals have a bound of their own: strangers can cause as many as they like, and
/// must not push out what was done.
const MAX_DONE: u64 = 100_000;
/// What was refused, at most.
const MAX_REFUSED: u64 = 10_000;
/// After so many records the oldest are looked for.
const TRIM_EVERY: u64 = 512;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct AuditRecord {
    pub(crate) at_ms: u64,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) address: String,
    pub(crate) request_id: String,
}

impl AuditRecord {
    fn is_refused(&self) -> bool {
        matches!(self.status, 401 | 403 | 429)
    }
}

impl ApiDb {
    /// Writes a record.
    pub(crate) fn audit(&mut self, record: &AuditRecord) -> Result<(), ApiDbError> {
        self.connection
            .prepare_cached(
                "INSERT INTO audit (at_ms, who, action, target, status, address, request_id, refused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                record.at_ms.cast_signed(),
                record.who,
                record.action,
                record.target,
                record.status,
                record.address,
                record.request_id,
                record.is_refused(),
            ])?;
        self.audited += 1;
        if self.audited.is_multiple_of(TRIM_EVERY) {
            self.trim_audit(MAX_DONE, MAX_REFUSED)?;
        }
        Ok(())
    }

    /// What someone did by the command line, on the storage root itself.
    ///
    /// # Errors
    /// See [`ApiDbError`].
    pub fn audit_command(
        &mut self,
        who: &str,
        action: &str,
        target: &str,
        at_ms: u64,
    ) -> Result<(), ApiDbError> {
        self.audit(&AuditRecord {
            at_ms,
            who: who.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            status: 200,
            address: String::new(),
            request_id: String::new(),
        })
    }

    fn trim_audit(&mut self, done: u64, refused: u64) -> Result<(), ApiDbError> {
        for (kind, most) in [(false, done), (true, refused)] {
            self.connection.execute(
                "DELETE FROM audit WHERE refused = ?1 AND seq <=
                    (SELECT seq FROM audit WHERE refused = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                params![kind, most.cast_signed()],
            )?;
        }
        Ok(())
    }

    /// Records, newest first, before a number.
    pub(crate) fn audit_page(
        &mut self,
        before: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ApiDbError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at_ms, who, action, target, status, address, request_id
             FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![before, limit], |row| {
            Ok(AuditEntry {
                seq: row.get::<_, i64>(0)?.cast_unsigned(),
                at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
                who: row.get(2)?,
                action: row.get(3)?,
                target: row.get(4)?,
                status: row.get(5)?,
                address: row.get(6)?,
                request_id: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_never_push_out_what_was_done() {
        let root = tempfile::tempdir().unwrap();
        let mut db = ApiDb::open(root.path()).unwrap();
        for (status, count) in [(201, 5), (401, 30)] {
            for number in 0..count {
                db.audit(&AuditRecord {
                    at_ms: number,
                    who: "someone".to_owned(),
                    action: "POST /v1/vms".to_owned(),
                    target: "/v1/vms".to_owned(),
                    status,
                    address: "127.0.0.1".to_owned(),
                    request_id: "id".to_owned(),
                })
                .unwrap();
            }
        }
        db.trim_audit(3, 4).unwrap();
        let kept = db.audit_page(u64::MAX, 100).unwrap();
        let seqs: Vec<_> = kept.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, [35, 34, 33, 32, 5, 4, 3]);
        let page = db.audit_page(33, 2).unwrap();
        assert_eq!((page[0].seq, page[1].seq), (32, 5));
    }
}
