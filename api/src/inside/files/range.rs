//! The Range header (RFC 9110, 14.2), one range of bytes.

use axum::http::{HeaderMap, header};

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// From an offset, and how much at most.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

/// The range that is asked for. A header that makes no sense, or asks for several, is ignored, as the RFC says.
pub(super) fn range(headers: &HeaderMap) -> Option<Range> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if first.is_empty() {
        return number(last).map(Range::Last);
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(Range::From(first, None));
    }
    let length = number(last)?.checked_sub(first)?.checked_add(1)?;
    Some(Range::From(first, Some(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_nonsense_ignored() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            range(&headers)
        };
        assert_eq!(asked("bytes=0-499"), Some(Range::From(0, Some(500))));
        assert_eq!(asked("bytes=500-"), Some(Range::From(500, None)));
        assert_eq!(asked("bytes=-5"), Some(Range::Last(5)));
        for nonsense in [
            "bytes=5-1",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=-",
            "bytes=a-b",
        ] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }
}
