//! Paths of an archive: where they may lead.

use super::CodeError;

/// The longest path, in bytes (`PATH_MAX` with room for the folder that it lies in).
const MAX_PATH_BYTES: usize = 3840;
/// The longest name in it (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// The path inside the code's folder, without `.` and doubled slashes; none for the folder itself.
pub(super) fn inside(path: &str) -> Result<Option<String>, CodeError> {
    let bad = |problem| {
        Err(CodeError::BadPath {
            path: path.to_owned(),
            problem,
        })
    };
    if path.starts_with('/') {
        return bad("is absolute");
    }
    if path.contains('\\') {
        return bad("holds a backslash; make the archive with forward slashes");
    }
    if path.chars().any(char::is_control) {
        return bad("holds a control character");
    }
    if path.len() > MAX_PATH_BYTES {
        return bad("is too long");
    }
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => return bad("leads out of the code's folder"),
            name if name.len() > MAX_NAME_BYTES => return bad("holds a name that is too long"),
            name => names.push(name),
        }
    }
    Ok((!names.is_empty()).then(|| names.join("/")))
}

/// Whether a link at `path` (as [`inside`] returns it) stays inside the code's folder.
pub(super) fn check_link(path: &str, target: &str) -> Result<(), CodeError> {
    let bad = |problem| {
        Err(CodeError::BadPath {
            path: format!("{path} -> {target}"),
            problem,
        })
    };
    if target.is_empty() || target.starts_with('/') {
        return bad("is a link to an absolute path");
    }
    if target.chars().any(char::is_control) || target.len() > MAX_PATH_BYTES {
        return bad("is a link that is too long or holds a control character");
    }
    let mut depth = path.matches('/').count();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return bad("is a link out of the code's folder"),
            },
            _ => depth += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_stays_inside_and_is_written_one_way() {
        assert_eq!(inside("./a//b/").unwrap().as_deref(), Some("a/b"));
        assert_eq!(inside("./").unwrap(), None);
        for path in [
            "/etc/passwd",
            "../a",
            "a/../../b",
            "a/..",
            "a\\b",
            "a\0b",
            "a\nb",
        ] {
            assert!(inside(path).is_err(), "{path:?}");
        }
        assert!(inside(&"a".repeat(256)).is_err());
    }

    #[test]
    fn a_link_may_lead_anywhere_inside_and_nowhere_else() {
        assert!(check_link("a/b", "../c").is_ok());
        assert!(check_link("a/b", "./d/../../c").is_ok());
        for (path, target) in [
            ("a", ".."),
            ("a/b", "../../c"),
            ("a", "/etc"),
            ("a", ""),
            ("a", "b/../../c"),
        ] {
            assert!(check_link(path, target).is_err(), "{path} -> {target}");
        }
    }

    proptest! {
        #[test]
        fn no_path_of_any_archive_leaves_the_folder(path in "[a./\\\\\u{0}-\u{7f}]{0,40}") {
            if let Ok(Some(inside)) = inside(&path) {
                prop_assert!(!inside.starts_with('/'));
                prop_assert!(inside.split('/').all(|name| !matches!(name, "" | "." | "..")));
            }
        }
    }
}
