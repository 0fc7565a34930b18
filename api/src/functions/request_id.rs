//! Ids of invocations.

use axum::http::{HeaderMap, HeaderName};

use crate::error::ApiError;
use thaw_api_types::ErrorCode;

/// The longest id that is taken from a request, in characters.
const MAX_CHARS: usize = 64;

/// The id that a request brings in `header`, else a new one (a random UUID, RFC 9562).
pub(super) fn request_id(headers: &HeaderMap, header: &HeaderName) -> Result<String, ApiError> {
    match headers.get(header) {
        None => new(),
        Some(value) => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let text = value.to_str().ok();
            text.filter(|text| {
                (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(fits)
            })
            .map(str::to_owned)
            .ok_or_else(|| {
                ApiError::new(
                    ErrorCode::InvalidRequest,
                    format!("{header} has 1 to {MAX_CHARS} of the characters a-z, A-Z, 0-9, '-' and '_'"),
                )
            })
        }
    }
}

/// A new id.
pub(super) fn new() -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ApiError::new(ErrorCode::Internal, format!("no random id: {error}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_from_the_request_or_made() {
        let header = HeaderName::from_static("x-thaw-request-id");
        let mut headers = HeaderMap::new();
        let made = request_id(&headers, &header).unwrap();
        assert_eq!(made.len(), 36);
        assert_eq!(&made[14..15], "4");
        headers.insert(header.clone(), "mine_1".parse().unwrap());
        assert_eq!(request_id(&headers, &header).unwrap(), "mine_1");
        headers.insert(header.clone(), "no spaces".parse().unwrap());
        assert!(request_id(&headers, &header).is_err());
    }
}
