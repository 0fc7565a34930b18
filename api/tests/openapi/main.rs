//! The checked-in descriptions of the interface: one for programs, one for people.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reference;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What stands above this line in `docs/API.md` is written by hand.
const MARK: &str = "<!-- What follows is written by `make openapi`. -->\n";

#[test]
fn openapi_json_is_what_the_code_says() {
    let document = serde_json::to_value(thaw_api::document()).unwrap();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let (written, path) = kept("openapi.json", |_| text.clone());
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert!(
        written == document,
        "{} is not what the code says; write it anew with `make openapi`",
        path.display()
    );

    let page = |kept: &str| {
        let (hand, _) = kept.split_once(MARK).expect("the mark in docs/API.md");
        format!("{hand}{MARK}\n{}", reference::reference(&document))
    };
    let (written, path) = kept("API.md", page);
    assert!(
        written == page(&written),
        "{} is not what the code says; write it anew with `make openapi`",
        path.display()
    );
}

/// A file of `docs/`, written anew first where that is wanted.
fn kept(name: &str, anew: impl Fn(&str) -> String) -> (String, PathBuf) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let mut kept = fs::read_to_string(&path).unwrap_or_default();
    if env::var_os("UPDATE_OPENAPI").is_some() {
        kept = anew(&kept);
        fs::write(&path, &kept).unwrap();
    }
    (kept, path)
}

#[test]
fn parameters_of_a_path_are_in_it_and_no_others() {
    let document = serde_json::to_value(thaw_api::document()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut named: Vec<_> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let mut described: Vec<_> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            named.sort_unstable();
            described.sort_unstable();
            assert_eq!(described, named, "{method} {path}");
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_what_is_named_is_described() {
    let document = serde_json::to_value(thaw_api::document()).unwrap();
    let methods = document["paths"].as_object().unwrap().values();
    let operations = methods.flat_map(|methods| methods.as_object().unwrap().values());
    let mut ids: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
    for reference in references(&document) {
        let path = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(path).is_some(), "{reference}");
    }
}

/// Where a document leads to, in itself.
fn references(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => vec![reference],
                _ => references(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
