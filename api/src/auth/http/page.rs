//! `/login`: a page on which the admin logs in with a browser, and goes on to `?next=`, a page of the dashboard.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, header},
    response::Html,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem;\
color:#1c2733;background:#fff}input,button{font:inherit;padding:.3rem .5rem}input{width:100%;box-sizing:border-box}\
@media(prefers-color-scheme:dark){body{color:#dfe6ee;background:#12181f}}";

const SCRIPT: &str = r#"
const said = document.getElementById("said");
const goOn = () => {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  let next;
  try {
    next = new URL(wanted, location.origin);
  } catch {
    next = new URL(location.origin);
  }
  // Pages only: whoever made the link must not have the admin ask for anything else.
  const isPage = next.origin === location.origin && next.pathname.startsWith("/dashboard/");
  location.replace(isPage ? next : "/");
};
document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  try {
    const password = document.getElementById("password").value;
    const answer = await fetch("/v1/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ password }),
    });
    if (answer.ok) {
      goOn();
    } else {
      said.textContent = (await answer.json()).error.message;
    }
  } catch {
    said.textContent = "The server does not answer.";
  }
});
"#;

/// What the page may do: run this script, which talks to this server alone.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// `GET /login`.
pub(crate) async fn page() -> ([(HeaderName, &'static str); 1], Html<String>) {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Thaw: log in</title><style>{STYLE}</style><h1>Log in</h1>\
         <form id=login><p><label>The admin's password \
         <input id=password type=password autocomplete=current-password required autofocus></label></p>\
         <p><button>Log in</button></p><p id=said role=status></p></form>\
         <p><a href=\"/docs\">The interface</a></p><script>{SCRIPT}</script>"
    );
    ([(header::CONTENT_SECURITY_POLICY, &**POLICY)], Html(page))
}
