//! Records for the audit log: who did what, when, from where, and what came of it. Never a body or a query.

use axum::{Extension, extract::Request};

use super::{clock::now_ms, db::AuditRecord, enforce::peer};
use crate::observe::RequestId;

/// The longest target, in characters; the rest is cut.
const MAX_TARGET_CHARS: usize = 256;

/// The longest list of what was made, in characters; the rest is cut.
const MAX_MADE_CHARS: usize = 2048;

/// What a request was done to, where its path does not say all of it; goes into the extensions of the answer.
#[derive(Debug, Clone)]
pub(crate) enum AuditTarget {
    /// This in place of the path.
    Named(String),
    /// Behind the path, the ids of what was made.
    Made(String),
}

impl AuditTarget {
    /// What was made, for the answer.
    pub(crate) fn made<'a>(ids: impl IntoIterator<Item = &'a str>) -> Extension<Self> {
        let ids: Vec<_> = ids.into_iter().collect();
        Extension(Self::Made(ids.join(" ")))
    }
}

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
            target: match target {
                None => self.target,
                Some(AuditTarget::Named(target)) => cut(target),
                Some(AuditTarget::Made(ids)) => {
                    let ids: String = ids.chars().take(MAX_MADE_CHARS).collect();
                    format!("{}: {ids}", self.target)
                }
            },
            status,
            address: self.address,
            request_id: self.request_id,
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TARGET_CHARS).collect()
}
