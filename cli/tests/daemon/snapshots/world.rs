//! A daemon with a machine whose state is in all the places where state can be.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use thaw_api_types::{
    CreateVmRequest, ForkVmRequest, ForkVmResponse, SnapshotInfo, SnapshotList, SnapshotListQuery,
    TakeSnapshotRequest, VmExecRequest, VmInfo, VmListQuery,
    client::{Client, ClientError},
};
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::support::Daemon;

/// The machine that is snapshotted and forked.
pub(super) const PARENT: &str = "parent";

/// A program that holds a number in its memory, adds to it what it is told and tells the sum.
const ADDER: &str = "
import os
value = 100
for name in ('/tmp/ask', '/tmp/answer'):
    os.mkfifo(name)
while True:
    with open('/tmp/ask') as ask:
        value += int(ask.read())
    with open('/tmp/answer', 'w') as answer:
        print(value, file=answer)
";

pub(super) struct World {
    pub(super) daemon: Daemon,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
}

impl World {
    /// With a machine in which a program holds a number, and files in memory and on the disk.
    pub(super) fn with_parent() -> Self {
        Self::with_parent_on(&[])
    }

    pub(super) fn with_parent_on(arguments: &[&str]) -> Self {
        let daemon = Daemon::with_python(arguments);
        let client = Client::new(daemon.server(), None).unwrap();
        let runtime = Runtime::new().unwrap();
        let world = Self {
            daemon,
            client,
            runtime,
        };
        world.make_parent();
        world
    }

    fn make_parent(&self) {
        let request = CreateVmRequest {
            image: Some("python".to_owned()),
            name: Some(PARENT.to_owned()),
            env: Some([("COLOUR".to_owned(), "green".to_owned())].into()),
            ..CreateVmRequest::default()
        };
        self.wait(self.client.create_vm(&request)).unwrap();
        self.shell(
            PARENT,
            "echo memory > /dev/shm/file; echo disk > /root/file",
        );
        // Nobody waits for it, and it outlives the one who started it.
        let start = format!("python3 -c \"{ADDER}\" < /dev/null > /dev/null 2>&1 &");
        self.shell(PARENT, &start);
        self.shell(PARENT, "until test -p /tmp/answer; do :; done");
        assert_eq!(self.add(PARENT, 1), 101);
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let limit = Duration::from_secs(180);
        self.runtime
            .block_on(async { tokio::time::timeout(limit, future).await })
            .expect("it took too long")
    }

    /// Begins something that is not waited for yet.
    pub(super) fn begin<F>(&self, work: impl FnOnce(Client) -> F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(work(self.client.clone()))
    }

    /// What a shell in a machine prints.
    pub(super) fn shell(&self, vm: &str, line: &str) -> String {
        let request = VmExecRequest {
            command: Some(line.to_owned()),
            ..VmExecRequest::default()
        };
        let ran = self.wait(self.client.vm_exec(vm, &request)).unwrap();
        format!("{}{}", ran.stdout, ran.stderr)
    }

    /// Tells the program in a machine to add something; returns the sum.
    pub(super) fn add(&self, vm: &str, what: i64) -> i64 {
        let said = self.shell(vm, &format!("echo {what} > /tmp/ask; cat /tmp/answer"));
        said.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{vm}: {said:?}"))
    }

    /// What the files in memory and on the disk hold; the disk is asked, and not what the guest remembers of it.
    pub(super) fn files(&self, vm: &str) -> String {
        self.shell(
            vm,
            "sync; echo 3 > /proc/sys/vm/drop_caches; cat /dev/shm/file /root/file",
        )
    }

    pub(super) fn fork(&self, vm: &str, names: &[&str]) -> ForkVmResponse {
        self.try_fork(vm, names).unwrap()
    }

    pub(super) fn try_fork(&self, vm: &str, names: &[&str]) -> Result<ForkVmResponse, ClientError> {
        let request = ForkVmRequest {
            count: names.len() as u32,
            names: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..ForkVmRequest::default()
        };
        self.wait(self.client.fork_vm(vm, &request))
    }

    pub(super) fn snapshot(&self, vm: &str, name: &str) -> SnapshotInfo {
        self.try_snapshot(vm, name).unwrap()
    }

    pub(super) fn try_snapshot(&self, vm: &str, name: &str) -> Result<SnapshotInfo, ClientError> {
        let request = TakeSnapshotRequest {
            name: name.to_owned(),
            metadata: None,
        };
        self.wait(self.client.take_snapshot(vm, &request))
    }

    pub(super) fn restore(&self, snapshot: &str, name: &str) -> Result<VmInfo, ClientError> {
        let request = CreateVmRequest {
            snapshot: Some(snapshot.to_owned()),
            name: Some(name.to_owned()),
            ..CreateVmRequest::default()
        };
        self.wait(self.client.create_vm(&request))
    }

    pub(super) fn snapshots(&self) -> Vec<SnapshotInfo> {
        let all = SnapshotListQuery::default();
        let SnapshotList { snapshots, .. } = self.wait(self.client.snapshots(&all)).unwrap();
        snapshots
    }

    pub(super) fn vms(&self) -> Vec<VmInfo> {
        let all = VmListQuery::default();
        self.wait(self.client.vms(&all)).unwrap().vms
    }

    /// Ends the daemon with a signal and starts it again.
    pub(super) fn restart(&mut self, signal: Signal) {
        self.daemon.stop(signal);
        self.start_again();
    }

    /// The same, as one that may not trace other processes.
    pub(super) fn restart_without_tracing(&mut self) {
        self.daemon.stop(Signal::SIGTERM);
        self.daemon.start_again_without_tracing();
        self.client = Client::new(self.daemon.server(), None).unwrap();
    }

    /// Starts a daemon again that was stopped.
    pub(super) fn start_again(&mut self) {
        self.daemon.start_again();
        self.client = Client::new(self.daemon.server(), None).unwrap();
    }

    /// The folders of snapshots in the storage root, half-made ones too.
    pub(super) fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.daemon.storage().join("snapshots")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Removes every machine and snapshot, ends the daemon, and looks for what is left.
    pub(super) fn nothing_is_left(mut self) {
        for vm in self.vms() {
            self.wait(self.client.delete_vm(&vm.id)).unwrap();
        }
        for snapshot in self.snapshots() {
            self.wait(self.client.delete_snapshot(&snapshot.id))
                .unwrap();
        }
        self.daemon.stop(Signal::SIGTERM);
        assert_eq!(self.daemon.vmms(), 0, "a VMM was left behind");
        assert_eq!(self.folders(), [""; 0], "a snapshot was left behind");
        let disks = fs::read_dir(self.daemon.storage().join("vms")).unwrap();
        assert_eq!(disks.count(), 0, "a disk was left behind");
    }
}

/// The code of a refusal, and its message and hint.
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (String, String) {
    match result.unwrap_err() {
        ClientError::Refused(detail) => {
            let hint = detail.hint.clone().unwrap_or_default();
            (
                detail.code.as_str().to_owned(),
                format!("{}; {hint}", detail.message),
            )
        }
        other => panic!("{other:?}"),
    }
}
