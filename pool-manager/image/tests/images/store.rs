//! Names, pins, bounds, and what stays when an add is given up.

use std::time::Duration;

use thaw_image::{
    AddOptions, ErrorKind, ImageSource, ImageStore, Limits, ProgressSink, RemoveError,
    StoreOptions, Upload,
};

use crate::support::layer::Layer;
use crate::support::{TestStore, staged, whole};

/// Longest that anything here may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn named(name: &str) -> AddOptions {
    AddOptions {
        name: Some(name.parse().unwrap()),
        ..AddOptions::default()
    }
}

/// Stores a root filesystem of one file.
async fn add(store: &TestStore, name: &str, file: &str) -> std::sync::Arc<thaw_image::Image> {
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), Layer::new().file(file, b"").tar()).unwrap();
    let source = ImageSource::RootFs(Upload {
        path: upload.path().to_owned(),
    });
    store
        .store
        .add(source, named(name), &ProgressSink::none())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_name_moves_and_the_image_that_lost_its_last_name_goes() {
    let store = TestStore::new();
    let first = add(&store, "app", "one").await;
    let second = add(&store, "app", "two").await;
    assert_eq!(store.store.find("app").unwrap().digest, second.digest);
    assert!(store.store.find(&first.digest.hex()).is_none());
    assert_eq!(store.store.list().len(), 1);
}

#[tokio::test]
async fn a_pinned_image_is_not_removed_and_says_how_many_hold_it() {
    let store = TestStore::new();
    let image = add(&store, "app", "one").await;
    let pin = store.store.pin(&image.digest).unwrap();
    let refused = store.store.remove("app").unwrap_err();
    assert!(
        matches!(refused, RemoveError::InUse { users: 1, .. }),
        "{refused}"
    );
    drop(pin);
    assert!(store.store.remove("app").unwrap().deleted);
    assert!(matches!(
        store.store.remove("app"),
        Err(RemoveError::NotFound(_))
    ));
}

#[tokio::test]
async fn an_image_larger_than_allowed_is_refused_and_leaves_nothing() {
    let limits = Limits {
        max_root_bytes: 1 << 20,
        max_entries: 10,
    };
    let store = TestStore::with(StoreOptions {
        limits,
        ..StoreOptions::default()
    });
    let large = Layer::new().file("large", &vec![0; 2 << 20]).tar();
    let mut many = Layer::new();
    for n in 0..20 {
        many = many.file(&format!("f{n}"), b"");
    }
    for tar in [large, many.tar()] {
        let error = store.upload(ImageSource::RootFs, &tar).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{}", whole(&error));
    }
    assert!(store.store.list().is_empty());
}

#[tokio::test]
async fn an_add_that_is_given_up_leaves_no_folder() {
    let store = TestStore::new();
    let source: ImageSource = "debian:bookworm+python3".parse().unwrap();
    let (sink, mut progress) = ProgressSink::channel();
    let adding = store.store.add(source, AddOptions::default(), &sink);
    tokio::select! {
        ended = adding => panic!("{ended:?}"),
        begun = progress.wait_for(|now| *now != thaw_image::Progress::Queued) => drop(begun.unwrap()),
    }
    // The installer was killed with the future; its folder goes when its last step has let go of it.
    let images = store.images();
    let gone = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + DEADLINE;
        while !staged(&images).is_empty() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        staged(&images)
    });
    assert_eq!(gone.await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_killed_process_left_half_made_is_removed_at_the_next_start() {
    let store = TestStore::new();
    add(&store, "app", "one").await;
    let left = store.images().join(".staging-left");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("root.img"), b"half").unwrap();
    let again = ImageStore::open(&store.images()).unwrap();
    assert!(!left.exists());
    assert!(again.find("app").is_some());
}

#[tokio::test]
async fn an_image_of_an_unknown_version_is_refused_by_name() {
    let store = TestStore::new();
    let image = add(&store, "app", "one").await;
    let manifest = store
        .images()
        .join(image.digest.hex())
        .join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":99", 1);
    let newer = newer.replacen("\"version\": 1", "\"version\": 99", 1);
    assert_ne!(newer, text);
    std::fs::write(&manifest, newer).unwrap();
    let error = ImageStore::open(&store.images()).unwrap_err();
    let text = whole(&error);
    assert!(
        text.contains("99") && text.contains(&image.digest.hex()),
        "{text}"
    );
}
