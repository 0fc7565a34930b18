//! AWS Lambda's Invoke and InvokeWithResponseStream, so that its clients work with another endpoint.
//!
//! Headers, statuses and the shape of errors are those of the API reference of AWS Lambda (`Invoke`, version
//! 2015-03-31; `InvokeWithResponseStream`, version 2021-11-15). The access key's id is an API key; the signature is not
//! checked, and the region does not matter.

mod event_stream;
mod invoke;
mod refusal;
mod request;
mod stream;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};

pub(crate) use invoke::*;
pub(crate) use refusal::{aws_refusal, is_aws_path};
pub(crate) use stream::*;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// How much of a log `LogType=Tail` tells (AWS: the last 4 KB).
const TAIL_BYTES: usize = 4096;

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// The end of a log, as AWS tells it.
fn tail_of(log: &[u8]) -> String {
    STANDARD.encode(&log[log.len().saturating_sub(TAIL_BYTES)..])
}
