//! `debian:SUITE+package,package`: installed by mmdebstrap from where the host installs its own packages.

use std::fs;
use std::io;
use std::path::Path;

use crate::builders::{AptSources, mmdebstrap};
use crate::error::AddError;
use crate::image::ImageConfig;
use crate::sources::{DebianPackage, DebianSuite, LayerBlob, Root, apply_layers};
use crate::tar::Span;
use crate::work::{Work, blocking};

/// What the installer leaves that is the host's business, or of no use: the mirror and its proxy (perhaps with a password),
/// logs, and caches that differ from run to run.
const LEFT_OUT: [&str; 7] = [
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "var/cache/ldconfig/aux-cache",
    "var/log/apt",
    "var/log/dpkg.log",
    "var/log/alternatives.log",
];

/// Installs the packages and indexes the result.
pub(crate) async fn debian(
    work: &Work,
    suite: &DebianSuite,
    packages: &[DebianPackage],
) -> Result<Root, AddError> {
    let sources = apt_sources(suite, work.folder()).map_err(AddError::Staging)?;
    let out = tempfile::tempfile_in(work.folder()).map_err(AddError::Staging)?;
    let spooled = out.try_clone().map_err(AddError::Staging)?;
    mmdebstrap(work, suite, packages, &sources, out).await?;
    let work = work.clone();
    blocking(move || {
        let data = Span::whole(spooled).map_err(AddError::Staging)?;
        let layers = vec![LayerBlob {
            data,
            diff_id: None,
        }];
        let mut tree = apply_layers(&work, layers)?;
        for path in LEFT_OUT {
            tree.remove(path.as_bytes());
        }
        Ok(Root::Tree(tree, ImageConfig::default()))
    })
    .await
}

/// The suite that this host runs (os-release(5), `VERSION_CODENAME`).
pub(crate) fn host_suite() -> Option<DebianSuite> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    line.trim_matches('"').parse().ok()
}

/// The host's sources of `suite` as files in `folder`, and its proxies. Sources of other suites or vendors stay out.
fn apt_sources(suite: &DebianSuite, folder: &Path) -> io::Result<AptSources> {
    let mut found = AptSources {
        files: Vec::new(),
        options: proxies(
            Path::new("/etc/apt/apt.conf"),
            Path::new("/etc/apt/apt.conf.d"),
        ),
    };
    let (mut lines, mut stanzas) = (String::new(), String::new());
    for (text, format) in host_lists(Path::new("/etc/apt")) {
        match format {
            Format::Lines => lines += &one_line_sources(&text, suite.as_str()),
            Format::Stanzas => stanzas += &stanza_sources(&text, suite.as_str()),
        }
    }
    for (name, content) in [("host.list", lines), ("host.sources", stanzas)] {
        if !content.is_empty() {
            let path = folder.join(name);
            fs::write(&path, content)?;
            found.files.push(path);
        }
    }
    Ok(found)
}

/// The two formats of sources.list(5).
enum Format {
    Lines,
    Stanzas,
}

fn host_lists(etc_apt: &Path) -> Vec<(String, Format)> {
    let mut paths = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        paths.extend(more);
    }
    let mut lists = Vec::new();
    for path in paths {
        let format = match path.extension().and_then(|ext| ext.to_str()) {
            Some("list") => Format::Lines,
            Some("sources") => Format::Stanzas,
            _ => continue,
        };
        if let Ok(text) = fs::read_to_string(&path) {
            lists.push((text, format));
        }
    }
    lists
}

/// Whether `word` is `suite` or one of its pockets (`-updates`, `-security`, or Debian 10's `/updates`).
fn of_suite(word: &str, suite: &str) -> bool {
    match word.strip_prefix(suite) {
        Some(rest) => matches!(
            rest,
            "" | "-updates" | "-security" | "/updates" | "-backports"
        ),
        None => false,
    }
}

fn one_line_sources(text: &str, suite: &str) -> String {
    let kept = text.lines().filter(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("deb") && words.any(|word| of_suite(word, suite))
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn stanza_sources(text: &str, suite: &str) -> String {
    let mut kept = String::new();
    let mut stanza: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if !line.trim().is_empty() {
            stanza.push(line);
            continue;
        }
        let suites = |line: &&str| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            name.eq_ignore_ascii_case("suites")
                && value.split_whitespace().any(|word| of_suite(word, suite))
        };
        let disabled = |line: &&str| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            name.eq_ignore_ascii_case("enabled") && value.trim() == "no"
        };
        if stanza.iter().any(suites) && !stanza.iter().any(disabled) {
            kept += &stanza.join("\n");
            kept += "\n\n";
        }
        stanza.clear();
    }
    kept
}

/// The host's proxy and freshness settings, without which its mirrors might not answer. Other settings are the host's own.
fn proxies(main: &Path, parts: &Path) -> Vec<String> {
    let mut paths = vec![main.to_owned()];
    if let Ok(entries) = fs::read_dir(parts) {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        paths.extend(more);
    }
    let texts = paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let settings = texts.flat_map(|text| text.lines().filter_map(passed_on).collect::<Vec<_>>());
    settings.collect()
}

/// A one-line setting that the installer needs as well.
fn passed_on(line: &str) -> Option<String> {
    let setting = line.trim().strip_suffix(';')?;
    let (name, value) = setting.split_once(char::is_whitespace)?;
    let lower = name.to_ascii_lowercase();
    let proxy = lower.starts_with("acquire::http") && lower.contains("::proxy");
    let fresh = lower == "acquire::check-valid-until"
        || lower == "acquire::check-date"
        || lower == "acquire::retries";
    let quoted = value.trim();
    let plain = quoted.len() >= 2
        && quoted.starts_with('"')
        && quoted.ends_with('"')
        && !quoted.contains([';', '{', '}', '\n']);
    ((proxy || fresh) && plain).then(|| format!("{name} {quoted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_the_suite_are_passed_on() {
        let lines = "deb http://a bookworm main\n# deb http://b bookworm main\ndeb [arch=amd64] http://c vendor-bookworm main\ndeb http://d bookworm-security main\ndeb-src http://a bookworm main\n";
        assert_eq!(
            one_line_sources(lines, "bookworm"),
            "deb http://a bookworm main\ndeb http://d bookworm-security main\n"
        );
        let stanzas = "Types: deb\n# note\nURIs: http://a\nSuites: bookworm bookworm-updates\n\nTypes: deb\nSuites: nodistro\n\nSuites: bookworm\nEnabled: no\n";
        assert_eq!(
            stanza_sources(stanzas, "bookworm"),
            "Types: deb\nURIs: http://a\nSuites: bookworm bookworm-updates\n\n"
        );
    }

    #[test]
    fn proxies_are_passed_on_and_other_settings_are_not() {
        assert_eq!(
            passed_on("Acquire::http::Proxy \"http://127.0.0.1:3142\";").as_deref(),
            Some("Acquire::http::Proxy \"http://127.0.0.1:3142\"")
        );
        for line in [
            "DPkg::Post-Invoke { \"rm -f /\"; };",
            "DPkg::Post-Invoke \"rm -f /\";",
            "Acquire::http::Proxy \"x\"; DPkg::Post-Invoke \"y\";",
            "// Acquire::http::Proxy \"x\";",
        ] {
            assert_eq!(passed_on(line), None, "{line}");
        }
    }
}
