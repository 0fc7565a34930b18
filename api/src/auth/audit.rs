//! Records for the audit log: who did what, when, from where, and what came of it. Never a body or a query.

use axum::extract::Request;

use super::{clock::now_ms, db::AuditRecord, enforce::peer};
use crate::observe::RequestId;

/// The longest target, in characters; the rest is cut.
const MAX_TARGET_CHARS: usize = 256;

/// What a request was done to, where its path does not say; goes into the extensions of the answer.
#[derive(Debug, Clone)]
pub(crate) struct AuditTarget(pub(crate) String);

/// What is known of a request before it is answered.
#[derive(Debug)]
pub(crate) struct Draft {
    action: String,
    target: String,
    address: String,
    request_id: String,
}

impl Draft {
    pub(crate) fn of(route: &str, request: &Request) -> Self {
        let id = request.extensions().get::<RequestId>();
        Self {
            action: format!("{} {route}", request.method()),
            target: cut(request.uri().path()),
            address: peer(request).map_or_else(String::new, |peer| peer.0.ip().to_string()),
            request_id: id.map_or_else(String::new, |id| id.0.to_str().unwrap_or("").to_owned()),
        }
    }

    pub(crate) fn end(self, who: &str, status: u16, target: Option<&AuditTarget>) -> AuditRecord {
        AuditRecord {
            at_ms: now_ms(),
            who: who.to_owned(),
            action: self.action,
            target: target.map_or(self.target, |AuditTarget(target)| cut(target)),
            status,
            address: self.address,
            request_id: self.request_id,
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TARGET_CHARS).collect()
}
