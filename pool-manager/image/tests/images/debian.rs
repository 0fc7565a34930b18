//! `debian:`, with the host's own package sources.

use thaw_image::{AddOptions, ErrorKind, ImageSource, InvalidSource, Progress, ProgressSink};

use crate::support::squashfs::Unpacked;
use crate::support::{TestStore, whole};

/// The suite of the machine that runs the tests: its mirror has it.
fn suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn packages_are_installed_and_what_is_the_hosts_business_stays_out() {
    let store = TestStore::new();
    let source: ImageSource = format!("debian:{}+busybox-static", suite())
        .parse()
        .unwrap();
    let (sink, mut progress) = ProgressSink::channel();
    let add = store.store.add(source, AddOptions::default(), &sink);
    let watch = async {
        let installing = |now: &Progress| matches!(now, Progress::InstallingPackages { .. });
        progress.wait_for(installing).await.map(drop)
    };
    let (image, seen) = tokio::join!(add, watch);
    let image = image.unwrap_or_else(|error| panic!("{}", whole(&error)));
    seen.unwrap();
    let root = Unpacked::of(&image, &store.images());
    assert!(root.has("bin/busybox") || root.has("usr/bin/busybox"));
    assert!(root.has("usr/bin/dpkg"));
    for left_out in [
        "etc/apt/sources.list",
        "var/log/dpkg.log",
        "usr/share/man/man1",
    ] {
        assert!(!root.has(left_out), "{left_out}");
    }
    store.assert_nothing_staged();
}

#[tokio::test]
async fn an_installation_that_is_given_up_leaves_no_mount() {
    let store = TestStore::new();
    let source: ImageSource = format!("debian:{}", suite()).parse().unwrap();
    let (sink, mut progress) = ProgressSink::channel();
    let mounted = |now: &Progress| matches!(now, Progress::InstallingPackages { line } if line.contains("installing essential"));
    tokio::select! {
        added = store.store.add(source, AddOptions::default(), &sink) => {
            panic!("done before it was given up: {added:?}")
        }
        seen = progress.wait_for(mounted) => drop(seen.unwrap()),
    }
    let root = store.images();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let folder = root.to_str().unwrap();
    assert!(!mounts.contains(folder), "{mounts}");
}

#[tokio::test]
async fn a_package_that_does_not_exist_is_named() {
    let store = TestStore::new();
    let source = format!("debian:{}+thaw-has-no-such-package", suite())
        .parse()
        .unwrap();
    let error = store.add(source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput, "{}", whole(&error));
    assert!(
        whole(&error).contains("thaw-has-no-such-package"),
        "{}",
        whole(&error)
    );
}

#[test]
fn a_name_that_a_program_would_take_for_an_option_is_refused() {
    for package in [
        "--hook-dir=/tmp",
        "-oDebug::x=1",
        "a b",
        "a,--verbose",
        "./a.deb",
        "a;b",
        "$(id)",
    ] {
        let text = format!("debian:bookworm+{package}");
        let refused = text.parse::<ImageSource>().unwrap_err();
        assert!(
            matches!(refused, InvalidSource::Package(_)),
            "{package}: {refused}"
        );
    }
    for suite in ["--mode=root", "-x", "/etc", "book worm"] {
        let refused = format!("debian:{suite}")
            .parse::<ImageSource>()
            .unwrap_err();
        assert!(
            matches!(refused, InvalidSource::Suite(_)),
            "{suite}: {refused}"
        );
    }
}
