//! Queries that hold paths. A path may be any bytes, so the usual decoding into text would not do.

use axum::{extract::FromRequestParts, http::request::Parts};
use thaw_api_types::limits::MAX_PATH_BYTES;
use thaw_runner::node::vmm::protocol::GuestPath;

use crate::error::ApiError;

/// The parameters of a query, taken one by one; what is wrong with them is told at once.
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, Vec<u8>)>,
    problems: Vec<String>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8_lossy(&decoded(name)).into_owned();
            (name, decoded(value))
        });
        Self {
            pairs: pairs.collect(),
            problems: Vec::new(),
        }
    }

    /// The path that must be there.
    pub(super) fn path(&mut self) -> GuestPath {
        match self.take("path") {
            Some(bytes) => {
                check_path("path", &bytes, &mut self.problems);
                GuestPath(bytes)
            }
            None => {
                self.problems.push("path is missing".to_owned());
                GuestPath(Vec::new())
            }
        }
    }

    /// A name, as it came from a list.
    pub(super) fn name(&mut self, field: &str) -> Option<GuestPath> {
        self.take(field).map(GuestPath)
    }

    /// A number, if it is there.
    pub(super) fn number(&mut self, field: &str) -> Option<u64> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                self.problems
                    .push(format!("{field} is {text:?}; it is a whole number"));
                None
            }
        }
    }

    /// `true` or `false`; false when it is not there.
    pub(super) fn flag(&mut self, field: &str) -> bool {
        match self.text(field).as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1" | "") => true,
            Some(other) => {
                let problem = format!("{field} is {other:?}; it is true or false");
                self.problems.push(problem);
                false
            }
        }
    }

    /// Permissions in octal, if they are there.
    pub(super) fn mode(&mut self) -> Option<u32> {
        let text = self.text("mode")?;
        mode(&text, &mut self.problems)
    }

    /// Refuses what is wrong, parameters that nobody took among it.
    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        let unknown = self.pairs.iter().map(|(name, _)| {
            let shown: String = name.chars().take(40).collect();
            format!("there is no parameter {shown:?}")
        });
        self.problems.extend(unknown);
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(&self.problems))
        }
    }

    fn text(&mut self, field: &str) -> Option<String> {
        let bytes = self.take(field)?;
        Some(String::from_utf8_lossy(&bytes).chars().take(100).collect())
    }

    fn take(&mut self, field: &str) -> Option<Vec<u8>> {
        let at = self.pairs.iter().position(|(name, _)| name == field)?;
        Some(self.pairs.swap_remove(at).1)
    }
}

/// As forms are decoded: `%XX` is a byte, `+` a space.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| {
            after
                .get(at)
                .and_then(|digit| (*digit as char).to_digit(16))
        };
        rest = after;
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    bytes
}

/// What a path inside a guest must be.
pub(super) fn check_path(field: &str, path: &[u8], problems: &mut Vec<String>) {
    if path.first() != Some(&b'/') {
        problems.push(format!("{field} is not an absolute path"));
    }
    if path.contains(&0) {
        problems.push(format!("{field} holds a NUL character"));
    }
    if path.len() > MAX_PATH_BYTES {
        problems.push(format!("{field} is longer than {MAX_PATH_BYTES} bytes"));
    }
}

/// Permissions in octal.
pub(super) fn mode(text: &str, problems: &mut Vec<String>) -> Option<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Some(mode),
        _ => {
            problems.push(format!(
                "mode is {text:?}; it is written in octal, such as 0644"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_any_bytes_but_nul_from_the_root_on() {
        let path = |query: &str| {
            let mut query = Query::parse(query);
            let path = query.path();
            query.finish().map(|()| path.0)
        };
        assert_eq!(path("path=/a%20b+c%2B%FF").unwrap(), b"/a b c+\xff");
        assert_eq!(path("path=/100%").unwrap(), b"/100%");
        for bad in [
            "",
            "path=",
            "path=a",
            "path=../a",
            "path=/a%00b",
            "path=/a&x=1",
        ] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert!(path(&format!("path=/{}", "a".repeat(1 << 20))).is_err());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut query = Query::parse("mode=999&offset=-1&append=maybe&extra");
        query.path();
        query.mode();
        query.number("offset");
        query.flag("append");
        let message = query.finish().unwrap_err().body().error.message;
        for part in ["path", "octal", "offset", "append", "extra"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_query_ends_in_parameters_or_a_refusal(text in ".{0,200}") {
            let mut query = Query::parse(&text);
            let path = query.path();
            let _ = query.mode();
            let _ = query.number("offset");
            if query.finish().is_ok() {
                prop_assert!(path.0.starts_with(b"/") && !path.0.contains(&0));
            }
        }
    }
}
