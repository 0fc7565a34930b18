//! Addresses of BandSox's dashboard, which people keep as bookmarks: each leads to the page that shows the same.

use axum::{extract::Query, response::Redirect};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What goes into an address only by its number.
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The parameters of an address, in their order.
type Parameters = Query<Vec<(String, String)>>;

/// Whether an address is one of them.
pub(crate) fn is_page(path: &str) -> bool {
    matches!(path, "/vm_details" | "/terminal" | "/markdown_viewer")
}

/// `GET /vm_details?id=`.
pub(crate) async fn vm(parameters: Parameters) -> Redirect {
    lead_to(&parameters, "id", "")
}

/// `GET /terminal?id=`.
pub(crate) async fn terminal(parameters: Parameters) -> Redirect {
    lead_to(&parameters, "id", "/terminal")
}

/// `GET /markdown_viewer?vm_id=&path=`.
pub(crate) async fn markdown(parameters: Parameters) -> Redirect {
    let path = encoded(&parameters, "path").unwrap_or_default();
    lead_to(&parameters, "vm_id", &format!("/files?path={path}"))
}

/// To a page of one VM, or to their list when it is not named.
fn lead_to(parameters: &Parameters, name: &str, rest: &str) -> Redirect {
    let page = encoded(parameters, name).map(|id| format!("/{id}{rest}"));
    Redirect::to(&format!("/dashboard/vms{}", page.unwrap_or_default()))
}

fn encoded(Query(parameters): &Parameters, name: &str) -> Option<String> {
    let (_, value) = parameters.iter().find(|(key, _)| key == name)?;
    (!value.is_empty()).then(|| utf8_percent_encode(value, OTHERS).to_string())
}
