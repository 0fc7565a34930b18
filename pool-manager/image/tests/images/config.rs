//! What an image says about the programs run in it.

use thaw_image::{ImageConfig, ImageSource};

use crate::support::TestStore;
use crate::support::layer::Layer;
use crate::support::saved::docker_save;

/// The configuration that [`crate::support::saved::config`] writes.
pub(crate) fn expected() -> ImageConfig {
    ImageConfig {
        env: vec!["PATH=/bin".to_owned(), "GREETING=hello".to_owned()],
        workdir: Some("/work".to_owned()),
        user: Some("1000:1000".to_owned()),
        entrypoint: vec!["/entry".to_owned()],
        cmd: vec!["one".to_owned(), "two".to_owned()],
    }
}

#[tokio::test]
async fn environment_user_folder_and_command_are_kept_across_a_restart() {
    let store = TestStore::new();
    let archive = docker_save(&[Layer::new().file("a", b"").tar()]);
    let image = store
        .upload(ImageSource::DockerArchive, &archive)
        .await
        .unwrap();
    assert_eq!(image.config, expected());
    let again = thaw_image::ImageStore::open(&store.images()).unwrap();
    assert_eq!(again.list()[0].config, expected());
}

#[tokio::test]
async fn the_same_files_with_another_configuration_are_another_image() {
    let store = TestStore::new();
    let layer = Layer::new().file("a", b"").tar();
    let with = store
        .upload(
            ImageSource::DockerArchive,
            &docker_save(std::slice::from_ref(&layer)),
        )
        .await
        .unwrap();
    let without = store.upload(ImageSource::RootFs, &layer).await.unwrap();
    assert_ne!(with.digest, without.digest);
}
