//! The guest's first file system: the agent as /init, and the kernel modules it loads.

use std::io;

use cpio::newc::{Builder, ModeFileType, trailer};

/// Writes an uncompressed archive (Linux's initramfs format, "newc"):
///
/// ```text
/// /init             the agent
/// /modules/order    the modules' file names, one a line, in the order to load them
/// /modules/*.ko
/// ```
pub(crate) fn write(agent: &[u8], modules: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let total = agent.len() + modules.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let mut archive = Vec::with_capacity(total + 64 * 1024);
    for folder in ["dev", "modules", "proc", "root", "sys"] {
        entry(&mut archive, folder, ModeFileType::Directory, 0o755, &[])?;
    }
    entry(&mut archive, "init", ModeFileType::Regular, 0o755, agent)?;
    let mut order = String::new();
    for (name, bytes) in modules {
        order.push_str(name);
        order.push_str(".ko\n");
        let path = format!("modules/{name}.ko");
        entry(&mut archive, &path, ModeFileType::Regular, 0o644, bytes)?;
    }
    entry(
        &mut archive,
        "modules/order",
        ModeFileType::Regular,
        0o644,
        order.as_bytes(),
    )?;
    trailer(archive)
}

fn entry(
    archive: &mut Vec<u8>,
    path: &str,
    kind: ModeFileType,
    permissions: u32,
    bytes: &[u8],
) -> io::Result<()> {
    let size = u32::try_from(bytes.len())
        .map_err(|_| io::Error::other(format!("{path} does not fit into an initramfs")))?;
    let mut writer = Builder::new(path)
        .mode(permissions)
        .set_mode_file_type(kind)
        .nlink(1)
        .write(archive, size);
    io::Write::write_all(&mut writer, bytes)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    #[test]
    fn the_archive_holds_the_agent_and_the_order_of_the_modules() {
        let modules = vec![("b".to_owned(), vec![1, 2]), ("a".to_owned(), vec![3])];
        let bytes = write(b"agent", &modules).unwrap();
        let mut rest = bytes.as_slice();
        let mut seen = Vec::new();
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = Vec::new();
            io::Read::read_to_end(&mut reader, &mut content).unwrap();
            seen.push((reader.entry().name().to_owned(), content));
            rest = reader.finish().unwrap();
        }
        let find = |name: &str| {
            seen.iter()
                .find(|(found, _)| found == name)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(find("init"), b"agent");
        assert_eq!(find("modules/order"), b"b.ko\na.ko\n");
        assert_eq!(find("modules/b.ko"), [1, 2]);
    }
}
