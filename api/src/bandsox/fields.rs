//! Fields of a request, read as BandSox's server reads them: unknown ones are ignored, numbers and booleans
//! may come as text, and everything that is wrong is told at once. An explicit `null` is an absent field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thaw_api_types::{check, limits::MAX_PATH_BYTES};

use super::error::{Detail, Problem};

/// The fields of a JSON body, a query or a form. [`Fields::finish`] tells what was wrong with them.
#[derive(Debug)]
pub(super) struct Fields {
    place: &'static str,
    values: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Fields {
    /// The fields of a JSON body; an empty body has none.
    pub(super) fn of_body(body: &[u8]) -> Result<Self, Detail> {
        let problem = |kind, message: String| {
            Detail::invalid(vec![Problem {
                place: "body",
                field: String::new(),
                kind,
                message,
                input: Value::Null,
            }])
        };
        if body.is_empty() {
            return Ok(Self::new("body", Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self::new("body", values)),
            Ok(_) => Err(problem(
                "model_attributes_type",
                "Input should be a valid dictionary".to_owned(),
            )),
            Err(error) => Err(problem(
                "json_invalid",
                format!("JSON decode error: {error}"),
            )),
        }
    }

    /// Pairs of a query or the texts of a form; of two with one name the last counts.
    pub(super) fn of_pairs(
        place: &'static str,
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)));
        Self::new(place, values.collect())
    }

    fn new(place: &'static str, values: Map<String, Value>) -> Self {
        Self {
            place,
            values,
            problems: Vec::new(),
        }
    }

    /// Whether nothing was wrong so far.
    pub(super) fn finish(self) -> Result<(), Detail> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Detail::invalid(self.problems))
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => self.wrong(name, "string_type", "Input should be a valid string", other),
        }
    }

    /// A text that must be there; empty, with a problem noted, where it is not.
    pub(super) fn required_text(&mut self, name: &str) -> String {
        if self.is_missing(name) {
            return String::new();
        }
        self.text(name).unwrap_or_default()
    }

    /// A name of at most 128 characters.
    pub(super) fn name(&mut self, field: &str) -> Option<String> {
        let name = self.text(field)?;
        self.check(field, |problems| check::name(field, &name, problems));
        Some(name)
    }

    /// A name that must be there; empty, with a problem noted, where it is not.
    pub(super) fn required_name(&mut self, field: &str) -> String {
        if self.is_missing(field) {
            return String::new();
        }
        self.name(field).unwrap_or_default()
    }

    /// A path in the guest.
    pub(super) fn path(&mut self, field: &str) -> Option<String> {
        let path = self.text(field)?;
        self.check(field, |problems| {
            check::no_nul(field, &path, problems);
            if path.len() > MAX_PATH_BYTES {
                problems.push(format!("{field} is longer than {MAX_PATH_BYTES} bytes"));
            }
        });
        Some(path)
    }

    /// A path that must be there; empty, with a problem noted, where it is not.
    pub(super) fn required_path(&mut self, field: &str) -> String {
        if self.is_missing(field) {
            return String::new();
        }
        self.path(field).unwrap_or_default()
    }

    pub(super) fn int(&mut self, name: &str) -> Option<i64> {
        let value = self.take(name)?;
        let number = match &value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(flag) => Some(i64::from(*flag)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        number.or_else(|| {
            self.wrong(
                name,
                "int_parsing",
                "Input should be a valid integer",
                value,
            )
        })
    }

    /// A number that must be there; 0, with a problem noted, where it is not.
    pub(super) fn required_int(&mut self, name: &str) -> i64 {
        if self.is_missing(name) {
            return 0;
        }
        self.int(name).unwrap_or_default()
    }

    /// Whatever it is.
    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name)?;
        let flag = match &value {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "t" | "on" | "yes" | "y" => Some(true),
                "0" | "false" | "f" | "off" | "no" | "n" => Some(false),
                _ => None,
            },
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        flag.or_else(|| {
            self.wrong(
                name,
                "bool_parsing",
                "Input should be a valid boolean",
                value,
            )
        })
    }

    /// An object; in a form it comes as JSON text.
    pub(super) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let mut value = self.take(name)?;
        if let Value::String(text) = &value
            && let Ok(parsed) = serde_json::from_str(text)
        {
            value = parsed;
        }
        match value {
            Value::Object(object) => Some(object),
            other => self.wrong(
                name,
                "dict_type",
                "Input should be a valid dictionary",
                other,
            ),
        }
    }

    /// Notes a problem where a field is not there.
    pub(super) fn require(&mut self, name: &str) {
        self.is_missing(name);
    }

    /// The environment of a VM's programs.
    pub(super) fn environment(&mut self, field: &str) -> Option<BTreeMap<String, String>> {
        let variables = self.pairs(field)?.into_iter().collect();
        self.check_environment(field, &variables);
        Some(variables)
    }

    /// Notes what is wrong with an environment that comes of this field.
    pub(super) fn check_environment(&mut self, field: &str, variables: &BTreeMap<String, String>) {
        self.check(field, |problems| {
            check::noted(Some(variables), None, problems);
        });
    }

    /// Names and values. Values that are no text become what JSON writes for them.
    pub(super) fn pairs(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let object = self.object(name)?;
        let pairs = object.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Some(pairs.collect())
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let texts = value.as_array().and_then(|values| {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        texts.or_else(|| self.wrong(name, "list_type", "Input should be a valid list", value))
    }

    /// Notes that a field's value can't be used.
    pub(super) fn refuse(&mut self, name: &str, message: &str) {
        self.note(name, "value_error", message, Value::Null);
    }

    fn check(&mut self, field: &str, check: impl FnOnce(&mut Vec<String>)) {
        let mut problems = Vec::new();
        check(&mut problems);
        for problem in problems {
            self.refuse(field, &problem);
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    fn is_missing(&mut self, name: &str) -> bool {
        let missing = self.values.get(name).is_none_or(Value::is_null);
        if missing {
            self.note(name, "missing", "Field required", Value::Null);
        }
        missing
    }

    fn wrong<T>(
        &mut self,
        name: &str,
        kind: &'static str,
        message: &str,
        input: Value,
    ) -> Option<T> {
        self.note(name, kind, message, input);
        None
    }

    fn note(&mut self, field: &str, kind: &'static str, message: &str, input: Value) {
        self.problems.push(Problem {
            place: self.place,
            field: field.to_owned(),
            kind,
            message: message.to_owned(),
            input,
        });
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers in range get here"
)]
fn whole(number: f64) -> Option<i64> {
    let in_range = number.abs() < 9e15;
    (number.fract() == 0.0 && in_range).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Fields {
        Fields::of_body(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_and_booleans_may_come_as_text() {
        let mut fields = body(r#"{"a":"2","b":2.0,"c":"on","d":0,"e":true}"#);
        assert_eq!(fields.int("a"), Some(2));
        assert_eq!(fields.int("b"), Some(2));
        assert_eq!(fields.flag("c"), Some(true));
        assert_eq!(fields.flag("d"), Some(false));
        assert_eq!(fields.int("e"), Some(1));
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let mut fields = body(r#"{"name":null,"metadata":null}"#);
        assert_eq!(fields.text("name"), None);
        assert_eq!(fields.object("metadata"), None);
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut fields = body(r#"{"name":7,"vcpu":"many"}"#);
        fields.required_text("image");
        fields.text("name");
        fields.int("vcpu");
        let error = fields.finish().unwrap_err();
        assert_eq!(error.status(), 422);
        let text = error.text();
        for word in [
            "missing",
            "string_type",
            "int_parsing",
            r#"["body","vcpu"]"#,
        ] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        assert_eq!(Fields::of_body(b"[]").unwrap_err().status(), 422);
        assert_eq!(Fields::of_body(b"{").unwrap_err().status(), 422);
        assert!(Fields::of_body(b"").is_ok());
    }

    #[test]
    fn names_paths_and_variables_that_no_guest_can_have_are_refused() {
        let large = "x".repeat(70_000);
        for text in [
            r#"{"name":""}"#,
            r#"{"name":"a\nb"}"#,
            r#"{"name":"a\u0000"}"#,
            r#"{"path":"/a\u0000b"}"#,
            r#"{"env":{"":"x"}}"#,
            r#"{"env":{"A=B":"x"}}"#,
            r#"{"env":{"A":"x\u0000"}}"#,
            &format!(r#"{{"name":"{large}"}}"#),
            &format!(r#"{{"path":"{large}"}}"#),
            &format!(r#"{{"env":{{"A":"{large}"}}}}"#),
        ] {
            let mut fields = body(text);
            fields.name("name");
            if text.contains("path") {
                fields.required_path("path");
            }
            fields.environment("env");
            let error = fields.finish().unwrap_err();
            assert_eq!(error.status(), 422, "{}", &text[..20]);
        }
    }

    #[test]
    fn objects_in_forms_are_json_text() {
        let pairs = [("metadata".to_owned(), r#"{"a":1}"#.to_owned())];
        let mut fields = Fields::of_pairs("body", pairs);
        assert_eq!(fields.object("metadata").unwrap()["a"], 1);
    }
}
