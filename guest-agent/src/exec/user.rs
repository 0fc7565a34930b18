//! Users and groups, looked up in the guest's own files.

use std::{fs::File, io::Read as _};

use thaw_guest_protocol::FailureKind;

use crate::{failure::OperationError, process::Ids};

/// More of /etc/passwd or /etc/group than this is not read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Who a program runs as, and where that user lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) ids: Ids,
    pub(crate) home: String,
}

/// Resolves `name`, `uid`, `name:group` or `uid:gid`.
///
/// # Errors
/// [`FailureKind::UnknownUser`] when a name is not in the files.
pub(crate) fn look_up(user: &str) -> Result<Account, OperationError> {
    account(user, &read("/etc/passwd"), &read("/etc/group")).ok_or_else(|| {
        OperationError::refused(
            FailureKind::UnknownUser,
            format!("user {user:?} is not in the image's /etc/passwd or /etc/group"),
        )
    })
}

/// A file that is not there has no users in it.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(MAX_FILE_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As Docker does: a number need not be in the files, a name must; a group that is named replaces
/// the user's own and its supplementary ones.
fn account(user: &str, passwd: &str, group: &str) -> Option<Account> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let number: Option<u32> = user.parse().ok();
    let entry = lines(passwd)
        .find(|f| f[0] == user)
        .or_else(|| lines(passwd).find(|f| number.is_some() && f[2].parse().ok() == number));
    let (uid, gid, home, name) = match &entry {
        Some(f) => (f[2].parse().ok()?, f[3].parse().ok()?, f.get(5), Some(f[0])),
        None => (number?, 0, None, None),
    };
    let ids = match wanted_group {
        Some(wanted) => {
            let gid = lines(group)
                .find(|f| f[0] == wanted)
                .and_then(|f| f[2].parse().ok())
                .or_else(|| wanted.parse().ok())?;
            Ids {
                uid,
                gid,
                groups: vec![gid],
            }
        }
        None => Ids {
            uid,
            gid,
            groups: groups(name, gid, group),
        },
    };
    let home = home.filter(|h| !h.is_empty()).copied().unwrap_or("/");
    Some(Account {
        ids,
        home: home.into(),
    })
}

fn groups(name: Option<&str>, gid: u32, group: &str) -> Vec<u32> {
    let mut groups = vec![gid];
    let Some(name) = name else { return groups };
    for fields in lines(group) {
        let member = fields[3].split(',').any(|m| m == name);
        if let (true, Ok(gid)) = (member, fields[2].parse())
            && !groups.contains(&gid)
        {
            groups.push(gid);
        }
    }
    groups
}

/// Lines with at least four fields, which both formats have.
fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nada:x:1001:\nwheel:x:10:bob,ada\n";

    fn found(user: &str) -> Option<(u32, u32, Vec<u32>, String)> {
        account(user, PASSWD, GROUP).map(|a| (a.ids.uid, a.ids.gid, a.ids.groups, a.home))
    }

    #[test]
    fn a_name_brings_its_groups_and_its_home() {
        let ada = Some((1000, 1001, vec![1001, 10], "/home/ada".into()));
        assert_eq!(found("ada"), ada);
        assert_eq!(found("1000"), ada);
    }

    #[test]
    fn a_number_need_not_be_known_but_a_name_must() {
        assert_eq!(found("4242"), Some((4242, 0, vec![0], "/".into())));
        assert_eq!(found("nobody-here"), None);
        assert_eq!(found("ada:nogroup-here"), None);
    }

    #[test]
    fn a_named_group_replaces_the_users_own() {
        assert_eq!(
            found("ada:wheel"),
            Some((1000, 10, vec![10], "/home/ada".into()))
        );
        assert_eq!(found("7:8"), Some((7, 8, vec![8], "/".into())));
    }
}
