//! `/v1/audit`.

use axum::{Json, extract::State};
use thaw_api_types::{AuditList, AuditQuery, ErrorBody, ErrorCode};

use crate::{body::Parameters, error::ApiError, state::App};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Read the audit log
///
/// What was done and what was refused, newest first. The newest 100,000 things that were done and the newest
/// 10,000 that were refused are kept.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "auth",
    params(AuditQuery),
    responses(
        (status = 200, description = "A page of it", body = AuditList),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
    ),
)]
pub(crate) async fn audit(
    State(app): State<App>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<AuditList>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("limit is {limit}; it may be 1 to {MAX_LIMIT}"),
        ));
    }
    let before = query.before.unwrap_or(u64::MAX);
    let page = app.auth.audit_page(before, limit).await;
    let entries = page.map_err(|error| ApiError::of(ErrorCode::Internal, &error))?;
    let is_full = entries.len() == limit as usize;
    let next_before = entries.last().filter(|_| is_full).map(|entry| entry.seq);
    Ok(Json(AuditList {
        entries,
        next_before,
    }))
}
