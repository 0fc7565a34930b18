//! `docker:` and `dockerfile:`, with a real Docker daemon. One daemon serves all checks: starting one takes seconds.

use std::collections::BTreeMap;

use thaw_image::{
    AddError, DockerContext, DockerError, ErrorKind, ImageSource, Resolution, StoreOptions, Upload,
};

use crate::config;
use crate::support::dockerd::Dockerd;
use crate::support::layer::Layer;
use crate::support::saved::{SAVED_NAME, archive, docker_save};
use crate::support::squashfs::Unpacked;
use crate::support::{TestStore, whole};

fn store_beside(host: String) -> TestStore {
    TestStore::with(StoreOptions {
        docker_host: Some(host),
        ..StoreOptions::default()
    })
}

fn docker(reference: &str) -> ImageSource {
    format!("docker:{reference}").parse().unwrap()
}

fn text(dockerfile: &str) -> ImageSource {
    ImageSource::Dockerfile {
        context: DockerContext::Text(dockerfile.to_owned()),
        build_args: BTreeMap::from([("WHO".to_owned(), "world".to_owned())]),
    }
}

#[tokio::test]
async fn images_come_from_the_docker_daemon_and_from_dockerfiles_that_it_builds() {
    let daemon = Dockerd::start();
    let lower = Layer::new()
        .dir("etc")
        .file("etc/a", b"a")
        .file("etc/b", b"b");
    let upper = Layer::new().file("etc/.wh.b", b"").file("etc/c", b"c");
    daemon.load(docker_save(&[lower.tar(), upper.tar()])).await;
    let store = store_beside(daemon.host());

    an_image_is_exported(&store).await;
    a_bare_name_means_the_daemons_image(&store).await;
    an_unknown_image_is_not_found(&store).await;
    a_dockerfile_starts_from_a_local_image(&store).await;
    a_context_brings_files_to_scratch(&store).await;
    what_is_wrong_in_a_dockerfile_is_said(&store).await;

    store.store.close().await;
    let mut names = daemon.names().await;
    // Nameless images are the daemon's build cache.
    names.retain(|name| name != "<none>:<none>");
    assert_eq!(names, [SAVED_NAME], "a build left its tag");
}

async fn an_image_is_exported(store: &TestStore) {
    let image = store.add(docker(SAVED_NAME)).await.unwrap();
    assert_eq!(image.config, config::expected());
    assert_eq!(image.names[0].as_str(), SAVED_NAME);
    let root = Unpacked::of(&image, &store.images());
    assert_eq!(root.paths(), ["etc", "etc/a", "etc/c"]);
    store.store.remove(SAVED_NAME).unwrap();
}

async fn a_bare_name_means_the_daemons_image(store: &TestStore) {
    let meant = store.store.resolve_name(SAVED_NAME).await.unwrap();
    assert!(
        matches!(meant, Resolution::Source(ImageSource::Docker { .. })),
        "{meant:?}"
    );
    let other = store.store.resolve_name("not-there:1").await.unwrap();
    assert!(
        matches!(other, Resolution::Source(ImageSource::Registry { .. })),
        "{other:?}"
    );
    let built_in = store.store.resolve_name("python").await.unwrap();
    assert!(
        matches!(built_in, Resolution::Source(ImageSource::Debian { .. })),
        "{built_in:?}"
    );
}

async fn an_unknown_image_is_not_found(store: &TestStore) {
    let error = store.add(docker("not-there:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", whole(&error));
    assert!(error.hint().unwrap().contains("docker pull not-there:1"));
}

async fn a_dockerfile_starts_from_a_local_image(store: &TestStore) {
    let file =
        format!("FROM {SAVED_NAME}\nARG WHO\nENV GREETING=${{WHO}}\nUSER 7\nCMD [\"three\"]\n");
    let image = store.add(text(&file)).await.unwrap();
    assert!(
        image.config.env.contains(&"GREETING=world".to_owned()),
        "{:?}",
        image.config
    );
    assert_eq!(image.config.user.as_deref(), Some("7"));
    assert_eq!(image.config.cmd, ["three"]);
    assert_eq!(image.config.entrypoint, ["/entry"]);
    assert_eq!(Unpacked::of(&image, &store.images()).text("etc/c"), "c");
}

async fn a_context_brings_files_to_scratch(store: &TestStore) {
    let context = archive(&[
        (
            "Dockerfile".to_owned(),
            b"FROM scratch\nCOPY data /srv/\nWORKDIR /srv\n".to_vec(),
        ),
        ("data/hello".to_owned(), b"hi".to_vec()),
    ]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), context).unwrap();
    let source = ImageSource::Dockerfile {
        context: DockerContext::Tar(Upload {
            path: file.path().to_owned(),
        }),
        build_args: BTreeMap::new(),
    };
    let image = store.add(source).await.unwrap();
    assert_eq!(image.config.workdir.as_deref(), Some("/srv"));
    assert_eq!(
        Unpacked::of(&image, &store.images()).text("srv/hello"),
        "hi"
    );
}

async fn what_is_wrong_in_a_dockerfile_is_said(store: &TestStore) {
    for (file, expected) in [
        ("FRM scratch\n", "FRM"),
        ("FROM scratch\nCOPY missing /\n", "missing"),
    ] {
        let error = store.add(text(file)).await.unwrap_err();
        assert!(
            matches!(error, AddError::Docker(DockerError::Build { .. })),
            "{}",
            whole(&error)
        );
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(whole(&error).contains(expected), "{}", whole(&error));
    }
}

#[tokio::test]
async fn without_a_daemon_the_error_says_where_it_was_sought_and_what_to_do() {
    let store = store_beside("unix:///nonexistent/docker.sock".to_owned());
    let error = store.add(docker("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        whole(&error).contains("/nonexistent/docker.sock"),
        "{}",
        whole(&error)
    );
    assert!(error.hint().unwrap().contains("systemctl start docker"));
}
