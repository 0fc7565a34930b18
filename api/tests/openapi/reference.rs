//! The reference of `docs/API.md`, out of the description that the code gives of itself.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use thaw_api_types::ErrorCode;

/// Every route, every type and every error code, as Markdown.
pub(crate) fn reference(document: &Value) -> String {
    let mut out = String::new();
    routes(document, &mut out);
    out.push_str("\n### Types\n");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas.iter().filter(|(name, _)| *name != "ErrorCode") {
        describe(name, schema, &mut out);
    }
    out.push_str("\n### Error codes\n\n| code | status | meaning |\n| --- | --- | --- |\n");
    for code in ErrorCode::ALL {
        let (status, meaning) = (code.status(), cell(code.meaning()));
        writeln!(out, "| `{code}` | {status} | {meaning} |").unwrap();
    }
    out
}

fn routes(document: &Value, out: &mut String) {
    out.push_str("### Routes\n");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let summary = text(&route["summary"]);
            let method = method.to_uppercase();
            write!(out, "\n#### `{method} {path}`\n\n{summary}.\n").unwrap();
            if let Some(words) = route["description"].as_str() {
                write!(out, "\n{words}\n").unwrap();
            }
            out.push('\n');
            for parameter in list(&route["parameters"]) {
                let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
                let words = cell(text(&parameter["description"]));
                writeln!(out, "- `{name}` ({place}): {words}").unwrap();
            }
            if let Some(content) = route["requestBody"]["content"].as_object() {
                writeln!(out, "- request: {}", bodies(content)).unwrap();
            }
            for (status, answer) in route["responses"].as_object().into_iter().flatten() {
                let words = text(&answer["description"]);
                let body = match answer["content"].as_object() {
                    Some(content) => format!(": {}", bodies(content)),
                    None => String::new(),
                };
                writeln!(out, "- {status} {words}{body}").unwrap();
            }
        }
    }
}

fn describe(name: &str, schema: &Value, out: &mut String) {
    write!(out, "\n#### {name}\n\n{}\n", text(&schema["description"])).unwrap();
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", text(value)))
            .collect();
        write!(out, "\nOne of {}.\n", values.join(", ")).unwrap();
    }
    let mut parents = Vec::new();
    let mut own = Vec::new();
    collect(schema, &mut parents, &mut own);
    if !parents.is_empty() {
        write!(out, "\nThe fields of {}, and:\n", parents.join(" and ")).unwrap();
    }
    if own.is_empty() {
        return;
    }
    out.push_str("\n| field | type | meaning |\n| --- | --- | --- |\n");
    for (field, value, required) in own {
        let mark = if required { "" } else { " (optional)" };
        let (kind, meaning) = (kind(value), cell(text(&value["description"])));
        writeln!(out, "| `{field}` | {kind}{mark} | {meaning} |").unwrap();
    }
}

/// The fields of a type, and the types whose fields it has as well.
fn collect<'a>(
    schema: &'a Value,
    parents: &mut Vec<String>,
    own: &mut Vec<(&'a str, &'a Value, bool)>,
) {
    if let Some(name) = referred(schema) {
        parents.push(link(name));
    }
    let required = list(&schema["required"]);
    for (field, value) in schema["properties"].as_object().into_iter().flatten() {
        let needed = required.iter().any(|name| name == field);
        own.push((field, value, needed));
    }
    for part in list(&schema["allOf"]) {
        collect(part, parents, own);
    }
}

fn kind(value: &Value) -> String {
    if let Some(name) = referred(value) {
        return link(name);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let mut named = list(&value[choice]).iter().filter_map(referred);
        if let Some(name) = named.next() {
            return link(name);
        }
    }
    let name = match &value["type"] {
        Value::Array(names) => names
            .iter()
            .map(text)
            .find(|name| *name != "null")
            .unwrap_or_default(),
        name => text(name),
    };
    match name {
        "array" => format!("list of {}", kind(&value["items"])),
        "" => "any".to_owned(),
        name => name.to_owned(),
    }
}

fn bodies(content: &Map<String, Value>) -> String {
    let bodies = content.iter().map(|(media, body)| {
        let schema = &body["schema"];
        match referred(schema) {
            Some(name) => format!("{} as `{media}`", link(name)),
            None => format!("`{media}`"),
        }
    });
    bodies.collect::<Vec<_>>().join(", or ")
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text inside a table: one line, no column marks.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
