//! The admin's password as it is kept: Argon2id, or BandSox's SHA-256 until the first right login.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// The shortest password, in characters.
const SHORTEST_CHARS: usize = 8;
/// The longest password, in bytes.
pub(crate) const LONGEST_BYTES: usize = 1024;
/// Marks BandSox's form: SHA-256 without salt, as hex.
const BANDSOX: &str = "bandsox-sha256$";

/// A password that can't be set.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// It is too easily guessed.
    #[error("a password has at least {SHORTEST_CHARS} characters")]
    TooShort,
    /// It is no password.
    #[error("a password has at most {LONGEST_BYTES} bytes")]
    TooLong,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
}

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword(String);

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}

impl StoredPassword {
    /// Hashes a new password with Argon2id and a salt of its own (19 MiB, two passes: OWASP's least). It takes
    /// tens of milliseconds of one CPU.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub fn new(password: &str) -> Result<Self, PasswordError> {
        if password.chars().count() < SHORTEST_CHARS {
            return Err(PasswordError::TooShort);
        }
        if password.len() > LONGEST_BYTES {
            return Err(PasswordError::TooLong);
        }
        Self::hashed(password)
    }

    /// Hashes a password that is right already, however short it is.
    pub(crate) fn hashed(password: &str) -> Result<Self, PasswordError> {
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(PasswordError::Hash)?;
        Ok(Self(hash.to_string()))
    }

    /// BandSox's: the SHA-256 of the password.
    pub fn of_bandsox(sha256: [u8; 32]) -> Self {
        Self(format!("{BANDSOX}{}", hex::encode(sha256)))
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_stored(&self) -> &str {
        &self.0
    }

    /// Whether it is BandSox's and should be hashed anew.
    pub(crate) fn is_outdated(&self) -> bool {
        self.0.starts_with(BANDSOX)
    }

    /// Whether this is the password. It takes as long as hashing one.
    pub(crate) fn is(&self, password: &str) -> bool {
        if password.len() > LONGEST_BYTES {
            return false;
        }
        if let Some(hash) = self.0.strip_prefix(BANDSOX) {
            let given = hex::encode(Sha256::digest(password.as_bytes()));
            return given.as_bytes().ct_eq(hash.as_bytes()).into();
        }
        let Ok(hash) = PasswordHash::new(&self.0) else {
            tracing::error!("the stored password hash can't be read");
            return false;
        };
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_salted_as_argon2id() {
        let (one, other) = (
            StoredPassword::new("correct horse").unwrap(),
            StoredPassword::new("correct horse").unwrap(),
        );
        assert!(
            one.as_stored()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert_ne!(one, other);
        assert!(one.is("correct horse"));
        assert!(!one.is("correct horse "));
        assert!(!one.is_outdated());
    }

    #[test]
    fn bandsox_s_password_is_known_by_its_hash() {
        let old = StoredPassword::of_bandsox(Sha256::digest(b"pw").into());
        assert!(old.is("pw") && !old.is("PW") && old.is_outdated());
        assert!(StoredPassword::hashed("pw").unwrap().is("pw"));
    }

    #[test]
    fn a_password_that_is_too_short_or_too_long_is_not_set() {
        assert!(matches!(
            StoredPassword::new("1234567"),
            Err(PasswordError::TooShort)
        ));
        let long = "x".repeat(LONGEST_BYTES + 1);
        assert!(matches!(
            StoredPassword::new(&long),
            Err(PasswordError::TooLong)
        ));
        assert!(!StoredPassword::from_stored("nonsense".to_owned()).is("nonsense"));
    }
}
