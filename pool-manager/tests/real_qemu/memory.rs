//! Guests whose memory is filled while they run: they read what was frozen, or they are refused.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::Duration,
};

use nix::unistd::{Whence, lseek};
use thaw_pool_manager::{
    BakeFunction, CodeStream, ExecError, FunctionSpec, Lease, LeaseError, LeaseRequest,
    MemorySetup, Node as _, NodeFunctions as _, NodeSnapshots as _, SnapshotId, TemplateFormat,
    TemplateId, TemplateInfo, TemplateSelector,
    image::ProgressSink,
    vmm::{
        Shape,
        protocol::{FunctionKind, HttpHooks},
    },
};
use tokio::task::JoinSet;

use crate::world::{Root, World, selector, served, shell};

/// Fills an area of memory with random bytes before the freeze, and remembers their checksum.
const FILL: &str = "#!/bin/sh\n\
    head -c 25165824 /dev/urandom >/dev/shm/area\n\
    /bin/busybox md5sum </dev/shm/area >/dev/shm/sum\n\
    exec /bin/busybox httpd -f -p 127.0.0.1:8080 -h /\n";

/// Reads the area, then changes a part of it, which nobody else may see.
const CHECK: &str = "/bin/busybox md5sum </dev/shm/area; cat /dev/shm/sum; \
    dd if=/dev/zero of=/dev/shm/area bs=4096 seek=1000 count=200 conv=notrunc 2>/dev/null; \
    /bin/busybox md5sum </dev/shm/area";

fn compressed() -> MemorySetup {
    MemorySetup {
        format: TemplateFormat::Zstd,
        ..served()
    }
}

fn mapped() -> MemorySetup {
    MemorySetup::file("a test asked for it")
}

/// Bakes a template with a large random area in its memory.
async fn bake_area(world: &World) -> TemplateId {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(FILL.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "run", FILL.as_bytes())
        .unwrap();
    let request = BakeFunction {
        image: "busybox".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
        spec: FunctionSpec {
            name: "area".to_owned(),
            kind: FunctionKind::Http {
                argv: vec!["./run".to_owned()],
                port: 8080,
                hooks: HttpHooks::default(),
            },
            env: Vec::new(),
            init_timeout: Duration::from_secs(60),
        },
        code_digest: "area".to_owned(),
        code: CodeStream(Box::pin(std::io::Cursor::new(tar.into_inner().unwrap()))),
    };
    let baked = world
        .node
        .bake_function(request, &ProgressSink::none())
        .await;
    baked.unwrap().id
}

async fn lease(world: &World, template: TemplateSelector) -> Result<Lease, LeaseError> {
    let request = LeaseRequest {
        template,
        start_within: Duration::from_secs(300),
    };
    world.node.lease(request).await
}

/// Checks the area in a clone of its own.
async fn check(world: &World, template: &TemplateId) {
    let lease = lease(world, TemplateSelector::Template(template.clone()))
        .await
        .unwrap();
    let ran = world.run(&lease.id, shell(CHECK)).await.unwrap();
    world.node.release(&lease.id);
    let text = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], lines[1], "the clone read a wrong page");
    assert_ne!(lines[1], lines[2], "the clone's own write is lost");
}

/// The heart: clones that are restored at once on a template that is still empty fault, have their
/// working set mapped, and are detached while they read, over and over.
async fn clones_read_what_was_frozen(memory: MemorySetup, rounds: usize) {
    let world = World::open_with(Root::new(), memory.clone()).await;
    let template = bake_area(&world).await;
    let mut root = world.close().await;
    for round in 0..rounds {
        // A node that has just started holds nothing of the template.
        let world = World::open_with(root, memory.clone()).await;
        tokio::join!(
            check(&world, &template),
            check(&world, &template),
            check(&world, &template)
        );
        check(&world, &template).await;
        let failures = world.node.figures().await.restore_failures;
        assert_eq!(failures, 0, "round {round}");
        root = world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clone_reads_a_wrong_page_while_its_template_is_filled() {
    clones_read_what_was_frozen(served(), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_one_of_a_compressed_template() {
    clones_read_what_was_frozen(compressed(), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_one_that_maps_the_file_and_the_node_says_why() {
    clones_read_what_was_frozen(mapped(), 1).await;
    let world = World::open_with(Root::new(), mapped()).await;
    let figures = world.node.figures().await;
    assert_eq!(figures.memory_mode, "file");
    assert_eq!(figures.memory_reason, "a test asked for it");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_either_form_is_used_whatever_the_mode() {
    let world = World::open_with(Root::new(), compressed()).await;
    assert!(world.once("echo one").await.unwrap().ok());
    let [template] = &world.node.templates().await[..] else {
        panic!("one template was baked")
    };
    assert_eq!(template.memory_format, TemplateFormat::Zstd);
    let root = world.close().await;
    // Without userfaultfd a compressed template is read whole.
    let world = World::open_with(root, mapped()).await;
    assert!(world.once("echo two").await.unwrap().ok());
    let [template] = &world.node.templates().await[..] else {
        panic!("it was found again")
    };
    assert!(template.resident_bytes > 0);
    let root = world.close().await;
    let world = World::open_with(root, served()).await;
    assert!(world.once("echo three").await.unwrap().ok());
    assert_eq!(world.node.templates().await.len(), 1);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_clones_start_at_once_on_a_template_that_is_empty() {
    let world = World::new().await;
    world
        .node
        .ensure_template(&selector(), &ProgressSink::none())
        .await
        .unwrap();
    let world = std::sync::Arc::new(World::open(world.close().await).await);
    let mut starts = JoinSet::new();
    for number in 0..30 {
        let world = std::sync::Arc::clone(&world);
        starts.spawn(async move {
            let lease = lease(&world, selector()).await.unwrap();
            let ran = world.run(&lease.id, shell("hostname")).await.unwrap();
            assert_eq!(ran.stdout, format!("{}\n", lease.id).as_bytes(), "{number}");
            lease
        });
    }
    let leases = starts.join_all().await;
    // All at once: none was given back meanwhile.
    assert_eq!(leases.len(), 30);
    for lease in leases {
        world.node.release(&lease.id);
    }
    std::sync::Arc::into_inner(world).unwrap().close().await;
}

fn memory_file(root: &Root) -> PathBuf {
    let mut folders = fs::read_dir(root.path().join("templates")).unwrap();
    folders.next().unwrap().unwrap().path().join("memory.bin")
}

/// The only template, as it is described now.
async fn known(world: &World) -> TemplateInfo {
    world.node.templates().await.remove(0)
}

async fn baked(memory: MemorySetup) -> Root {
    let world = World::open_with(Root::new(), memory).await;
    world
        .node
        .ensure_template(&selector(), &ProgressSink::none())
        .await
        .unwrap();
    world.close().await
}

/// Flips a bit somewhere in the data, in the middle of the file.
fn flip_a_bit(root: &Root) {
    let file = File::options()
        .read(true)
        .write(true)
        .open(memory_file(root))
        .unwrap();
    let middle = i64::try_from(file.metadata().unwrap().len() / 2).unwrap();
    let at = lseek(&file, middle, Whence::SeekData).unwrap() as u64 + 99;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

fn is_told_by_chunk(refused: &LeaseError) {
    let LeaseError::BadTemplate { reason, .. } = refused else {
        panic!("{refused}")
    };
    assert!(
        reason.contains("chunk ")
            && reason.contains("fails its checksum")
            && reason.contains("thaw template rm"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_a_flipped_bit_is_refused_by_chunk_and_others_go_on() {
    let root = baked(served()).await;
    flip_a_bit(&root);
    let world = World::open(root).await;
    // Whoever is served before the bad chunk is wanted gets a right answer or is told the reason.
    let refused = loop {
        let lease = match lease(&world, selector()).await {
            Ok(lease) => lease,
            Err(LeaseError::BackingOff { retry_after, .. }) => {
                let pause = std::future::pending::<()>();
                let _ = tokio::time::timeout(retry_after, pause).await;
                continue;
            }
            Err(error) => break error,
        };
        match world.run(&lease.id, shell("echo right")).await {
            Ok(ran) => assert_eq!(ran.stdout, b"right\n"),
            Err(ExecError::Lost(reason)) => {
                assert!(reason.contains("fails its checksum"), "{reason}");
            }
            Err(error) => panic!("{error}"),
        }
        world.node.release(&lease.id);
    };
    is_told_by_chunk(&refused);
    let other = TemplateSelector::Image {
        image: "busybox".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 160,
        },
    };
    let other = lease(&world, other).await.unwrap();
    assert!(world.run(&other.id, shell("true")).await.unwrap().ok());
    world.node.release(&other.id);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_template_has_a_flipped_bit_is_refused_by_the_templates_name() {
    for memory in [served(), compressed(), mapped()] {
        let world = World::open_with(Root::new(), memory.clone()).await;
        let parent = world.lease().await.unwrap().id;
        assert!(world.run(&parent, shell("true")).await.unwrap().ok());
        let snapshot = SnapshotId::try_from("kept".to_owned()).unwrap();
        world.node.snapshot(&parent, &snapshot).await.unwrap();
        world.node.release(&parent);
        let root = world.close().await;
        flip_a_bit(&root);
        let world = World::open_with_pools_of(0, root, memory).await;
        // The second time nothing is tried any more.
        for _ in 0..2 {
            let snapshot = TemplateSelector::Snapshot(snapshot.clone());
            is_told_by_chunk(&lease(&world, snapshot).await.unwrap_err());
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_was_cut_short_is_refused() {
    for memory in [served(), compressed(), mapped()] {
        let root = baked(memory.clone()).await;
        let file = File::options()
            .write(true)
            .open(memory_file(&root))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() - 5000).unwrap();
        let world = World::open_with(root, memory).await;
        let refused = lease(&world, selector()).await.unwrap_err();
        let LeaseError::BadTemplate { reason, .. } = &refused else {
            panic!("{refused}")
        };
        assert!(reason.contains("cut short"), "{reason}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_set_that_no_longer_fits_is_recorded_anew() {
    a_set_is_recorded_anew(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_set_is_recorded_anew_where_every_restore_is_handed_out() {
    a_set_is_recorded_anew(0).await;
}

async fn a_set_is_recorded_anew(min: u32) {
    let root = baked(served()).await;
    let folder = memory_file(&root).parent().unwrap().to_owned();
    let world = World::open(root).await;
    let recorded = known(&world).await.working_set_pages.unwrap();
    assert!(recorded > 100, "{recorded}");
    let root = world.close().await;

    // As after nineteen restores for which nothing was known.
    fs::remove_file(folder.join("working-set.json")).unwrap();
    let restore = r#"{"working_set_pages":0,"faults":900}"#;
    let restores = vec![restore; 19].join(",");
    let history = format!(r#"{{"version":1,"unjudged":19,"last":[{restores}]}}"#);
    fs::write(folder.join("restores.json"), history).unwrap();
    let world = World::open_with_pools_of(min, root, served()).await;
    assert_eq!(known(&world).await.working_set_pages, None);
    let leased = lease(&world, selector()).await.unwrap().id;
    let again = world
        .eventually(async || known(&world).await.working_set_pages)
        .await;
    assert!(again > 100, "{again}");
    let last = known(&world).await.last_restores;
    assert!(last.iter().any(|restore| restore.faults != 900), "{last:?}");
    world.node.release(&leased);
    world.close().await;
}
