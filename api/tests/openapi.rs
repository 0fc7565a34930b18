//! The checked-in description of the interface.

use std::{env, fs, path::Path};

#[test]
fn openapi_json_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let document = serde_json::to_value(thaw_api::document()).unwrap();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).expect("docs/openapi.json; write it with `make openapi`");
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(
        kept == document,
        "docs/openapi.json is not what the code says; write it anew with `make openapi`"
    );
}
