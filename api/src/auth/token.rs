//! Session tokens: signed JWTs (RFC 7519, HS256). The signature says that it is ours, the session's row that it
//! is not over.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

const ISSUER: &str = "thaw";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    /// The session's id.
    jti: String,
    iat: u64,
    exp: u64,
}

/// A token for a session.
///
/// # Errors
/// When it can't be signed.
pub(crate) fn sign(
    secret: &[u8],
    session: &str,
    now: u64,
    expires_at: u64,
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: "admin".to_owned(),
        jti: session.to_owned(),
        iat: now,
        exp: expires_at,
    };
    encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(secret),
    )
}

/// The session of a token that was signed with this secret and has not expired.
pub(crate) fn session_of(secret: &[u8], token: &str) -> Option<String> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    let read = decode::<Claims>(token, &DecodingKey::from_secret(secret), &validation);
    read.ok().map(|read| read.claims.jti)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    const LATER: u64 = 4_000_000_000;

    #[test]
    fn only_a_token_of_this_secret_that_has_not_expired_is_a_session() {
        let token = sign(b"secret", "s1", 1, LATER).unwrap();
        assert_eq!(session_of(b"secret", &token).as_deref(), Some("s1"));
        assert_eq!(session_of(b"another", &token), None);
        let old = sign(b"secret", "s1", 1, 2).unwrap();
        assert_eq!(session_of(b"secret", &old), None);
    }

    #[test]
    fn a_token_that_says_it_needs_no_signature_is_refused() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = format!(r#"{{"iss":"thaw","sub":"admin","jti":"s1","iat":1,"exp":{LATER}}}"#);
        let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
        assert_eq!(session_of(b"secret", &token), None);
    }
}
