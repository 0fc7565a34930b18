//! The interface as one HTML page. Everything is written out here, so it needs no script and nothing from elsewhere.

use std::fmt::Write as _;

use serde_json::Value;
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1c2733;background:#fff}code,pre{font-family:ui-monospace,monospace;font-size:.9em}\
summary{cursor:pointer;padding:.4rem 0}details{border-bottom:1px solid #d5dde5}\
b.m{display:inline-block;width:4.5rem;color:#0a5a8a}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #e8edf2}\
@media(prefers-color-scheme:dark){body{color:#dfe6ee;background:#12181f}b.m{color:#6cb8e6}\
details,td,th{border-color:#2a3541}a{color:#6cb8e6}}";

pub(super) fn render(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut page = Page(String::new());
    let info = &document["info"];
    page.put(&format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Thaw API</title><style>{STYLE}</style><h1>Thaw API {}</h1>",
        escaped(text(&info["version"]))
    ));
    page.paragraphs(text(&info["description"]));
    page.put("<p><a href=\"/openapi.json\">openapi.json</a></p><h2>Routes</h2>");
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            page.operation(path, method, operation);
        }
    }
    page.put("<h2>Types</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        page.schema(name, schema);
    }
    page.0
}

struct Page(String);

impl Page {
    fn put(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn paragraphs(&mut self, text: &str) {
        for paragraph in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
            self.put(&format!("<p>{}</p>", marked(paragraph)));
        }
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) {
        self.put(&format!(
            "<details><summary><b class=m>{}</b><code>{}</code> {}</summary>",
            escaped(&method.to_uppercase()),
            escaped(path),
            marked(text(&operation["summary"]))
        ));
        self.paragraphs(text(&operation["description"]));
        self.put("<table>");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let place = format!("{} parameter", text(&parameter["in"]));
            let name = text(&parameter["name"]);
            self.row(name, &place, text(&parameter["description"]));
        }
        for (media, body) in entries(&operation["requestBody"]["content"]) {
            self.row("body", media, &shape(&body["schema"]));
        }
        for (status, response) in entries(&operation["responses"]) {
            let mut bodies = String::new();
            for (media, body) in entries(&response["content"]) {
                // Writing into a String does not fail.
                let _ = write!(bodies, " {media}: {}.", shape(&body["schema"]));
            }
            let description = text(&response["description"]);
            self.row(status, "answer", &format!("{description}.{bodies}"));
        }
        self.put("</table></details>");
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        self.put(&format!(
            "<details id=\"{0}\"><summary><code>{0}</code></summary>",
            escaped(name)
        ));
        self.paragraphs(text(&schema["description"]));
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<_> = values
                .iter()
                .map(|value| format!("`{}`", text(value)))
                .collect();
            self.put(&format!("<p>One of {}</p>", marked(&values.join(", "))));
        }
        self.put("<table>");
        let parts = schema["allOf"].as_array();
        for part in parts.into_iter().flatten().chain([schema]) {
            if part["$ref"].is_string() {
                self.row("…", "", &format!("and the fields of {}", shape(part)));
            }
            for (field, schema) in entries(&part["properties"]) {
                self.row(field, &shape(schema), text(&schema["description"]));
            }
        }
        self.put("</table></details>");
    }

    fn row(&mut self, name: &str, kind: &str, description: &str) {
        self.put(&format!(
            "<tr><td><code>{}</code><td>{}<td>{}",
            escaped(name),
            escaped(kind),
            marked(description)
        ));
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(key, value)| (key.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A schema in a few words.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for several in ["oneOf", "allOf", "anyOf"] {
        if let Some(parts) = schema[several].as_array() {
            let parts: Vec<_> = parts.iter().map(shape).collect();
            return parts.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("array of {}", shape(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(text).collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// Escaped text in which what stands between backquotes is code.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if index % 2 == 1 {
            html.push_str("<code>");
            html.push_str(&part);
            html.push_str("</code>");
        } else {
            html.push_str(&part);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_route_and_loads_nothing() {
        let document = super::super::document();
        let page = render(&document);
        for path in document.paths.paths.keys() {
            assert!(page.contains(&escaped(path)), "{path}");
        }
        for forbidden in ["<script", "src=", "http://", "https://", "@import"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn text_can_not_become_markup() {
        assert_eq!(marked("<b> `x<y`"), "&lt;b&gt; <code>x&lt;y</code>");
    }
}
