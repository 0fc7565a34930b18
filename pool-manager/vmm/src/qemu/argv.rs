//! QEMU's command line.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use sha2::{Digest as _, Sha256};
use thaw_guest_protocol::{PORT_NAME, ROOTFS_OPTION, TRANSPORT_OPTION};

use super::Accelerator;
use crate::{RootFs, Shape};

/// The numbers under which the child finds its descriptors.
pub(super) mod fd {
    pub(in super::super) const ROOT: i32 = 11;
    pub(in super::super) const SCRATCH: i32 = 12;
    pub(in super::super) const QMP: i32 = 13;
    pub(in super::super) const AGENT: i32 = 14;
    pub(in super::super) const CONSOLE: i32 = 15;
    pub(in super::super) const DEVICE_STATE: i32 = 16;
    pub(in super::super) const KERNEL: i32 = 17;
    pub(in super::super) const INITRAMFS: i32 = 18;
    pub(in super::super) const VHOST_VSOCK: i32 = 19;
    /// The library that maps a shell's memory; read by the dynamic linker.
    pub(in super::super) const SHIM: i32 = 20;
    /// Last, because a shell's memory brings further descriptors (`SHIM_DESCRIPTORS` in all).
    pub(in super::super) const MEMORY: i32 = 21;
}

/// What the guest is given to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A kernel, and memory that is its own.
    Boot,
    /// A device state that will come, and a template's memory, which the shim maps privately. QEMU
    /// believes that it is shared, which keeps it out of device states.
    Incoming,
}

/// How the host reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// A virtio-serial port, through a socket of ours.
    Serial,
    /// vhost-vsock with this context id.
    Vsock(u32),
}

/// What differs from one QEMU to the next.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub(super) name: &'a str,
    pub(super) accelerator: Accelerator,
    pub(super) shape: Shape,
    pub(super) root_fs: RootFs,
    pub(super) start: Start,
    pub(super) transport: Transport,
    /// How fast the guest's time stamp counter will run.
    pub(super) tsc_khz: u64,
}

/// What tells the machine that device states are made for from others: its processor, its devices and where
/// they sit, whatever its size. 16 hex digits of a SHA-256.
pub(super) fn machine_digest(accelerator: Accelerator, transport: Transport) -> String {
    let mut hash = Sha256::new();
    for argument in Invocation::of_any(accelerator, transport).arguments() {
        hash.update(argument.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// The kernel's command line, without what is measured anew at each start or follows from the image.
pub(super) fn command_line_of(accelerator: Accelerator, transport: Transport) -> String {
    Invocation::of_any(accelerator, transport).command_line()
}

impl Invocation<'_> {
    /// Of no machine in particular.
    fn of_any(accelerator: Accelerator, transport: Transport) -> Self {
        Self {
            name: "",
            accelerator,
            shape: Shape {
                vcpus: 0,
                memory_mib: 0,
            },
            root_fs: RootFs::Squashfs,
            start: Start::Incoming,
            transport,
            tsc_khz: 0,
        }
    }

    /// The arguments, without the program's own name.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        self.process(&mut arguments);
        self.machine(&mut arguments);
        self.disks(&mut arguments);
        self.channels(&mut arguments);
        match self.start {
            Start::Boot => self.kernel(&mut arguments),
            Start::Incoming => arguments.pair("-incoming", "defer"),
        }
        arguments.0
    }

    fn process(&self, arguments: &mut Arguments) {
        arguments.pair("-name", self.name);
        arguments.flag("-nodefaults");
        arguments.flag("-no-user-config");
        arguments.flag("-no-reboot");
        arguments.pair("-display", "none");
        arguments.pair(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        );
    }

    fn machine(&self, arguments: &mut Arguments) {
        arguments.pair(
            "-object",
            format!(
                "memory-backend-file,id=ram,mem-path=/proc/self/fd/{},size={}M,share=on,prealloc=off",
                fd::MEMORY,
                self.shape.memory_mib
            ),
        );
        // TCG can't calibrate its TSC without the PIT, and the PIT needs the PIC. The PCI host
        // bridge is off by default. A second IOAPIC would bring 24 places for virtio devices instead of 8, each of
        // which costs every VMM 40 KiB and a guest's boot a probe.
        arguments.pair(
            "-machine",
            "microvm,acpi=on,pit=on,pic=on,rtc=on,ioapic2=off,memory-backend=ram",
        );
        match self.accelerator {
            Accelerator::Kvm => {
                arguments.pair("-accel", "kvm");
                arguments.pair("-cpu", "host,migratable=on");
            }
            Accelerator::Tcg => {
                arguments.pair("-accel", "tcg");
                // Told that `rep movsb` is fast, kernel and C library copy and clear byte by byte, which is how
                // QEMU translates it (docs/adr/0006-no-fast-strings-under-emulation.md).
                arguments.pair("-cpu", "max,-erms");
            }
        }
        arguments.pair("-smp", self.shape.vcpus.to_string());
        arguments.pair("-m", format!("{}M", self.shape.memory_mib));
        arguments.pair("-global", "virtio-mmio.force-legacy=false");
    }

    fn disks(&self, arguments: &mut Arguments) {
        arguments.pair("-add-fd", format!("fd={},set=1", fd::ROOT));
        arguments.pair("-add-fd", format!("fd={},set=2", fd::SCRATCH));
        // QEMU would drop the host's cache of both after every load and save, as if another host had
        // written them meanwhile.
        arguments.pair(
            "-blockdev",
            "driver=file,node-name=root-file,filename=/dev/fdset/1,read-only=on,locking=off,drop-cache=off",
        );
        arguments.pair(
            "-blockdev",
            "driver=raw,node-name=root,file=root-file,read-only=on",
        );
        // The scratch disk of a machine dies with it, so nothing is flushed; what is snapshotted is
        // synced by whoever copies it.
        arguments.pair(
            "-blockdev",
            "driver=file,node-name=scratch-file,filename=/dev/fdset/2,cache.no-flush=on,discard=unmap,locking=off,drop-cache=off",
        );
        arguments.pair(
            "-blockdev",
            "driver=raw,node-name=scratch,file=scratch-file,cache.no-flush=on,discard=unmap",
        );
        // What the host can't read or write the guest is told as an error of its disk. Left to itself QEMU stops the
        // CPUs of a machine whose host has no room, and waits for somebody to notice.
        for disk in ["root", "scratch"] {
            let device = format!("virtio-blk-device,drive={disk},rerror=report,werror=report");
            arguments.pair("-device", device);
        }
    }

    fn channels(&self, arguments: &mut Arguments) {
        arguments.socket("qmp", fd::QMP);
        arguments.pair("-mon", "chardev=qmp,mode=control");
        arguments.socket("console", fd::CONSOLE);
        arguments.pair("-serial", "chardev:console");
        match self.transport {
            Transport::Serial => {
                arguments.socket("agent", fd::AGENT);
                arguments.pair("-device", "virtio-serial-device,max_ports=2");
                // VSERPORT_CHANGE is sent only for a port that has an id.
                arguments.pair(
                    "-device",
                    format!("virtserialport,id=agent-port,chardev=agent,name={PORT_NAME}"),
                );
            }
            Transport::Vsock(cid) => arguments.pair(
                "-device",
                format!(
                    "vhost-vsock-device,guest-cid={cid},vhostfd={}",
                    fd::VHOST_VSOCK
                ),
            ),
        }
    }

    fn kernel(&self, arguments: &mut Arguments) {
        arguments.pair("-kernel", format!("/proc/self/fd/{}", fd::KERNEL));
        arguments.pair("-initrd", format!("/proc/self/fd/{}", fd::INITRAMFS));
        arguments.pair("-append", self.command_line());
    }

    /// Under KVM the kernel has better clocks than this, and programs keep their random addresses. Translated
    /// code belongs to its addresses (`tb_lookup_cmp` of QEMU's accel/tcg/cpu-exec.c): at random ones every
    /// process would have the C library translated anew (docs/adr/0005-addresses-under-emulation.md).
    fn emulation_options(&self) -> String {
        match self.accelerator {
            Accelerator::Kvm => String::new(),
            Accelerator::Tcg => format!(
                " tsc_early_khz={} tsc=reliable no_timer_check norandmaps",
                self.tsc_khz
            ),
        }
    }

    /// The kernel's command line (Documentation/admin-guide/kernel-parameters.txt).
    fn command_line(&self) -> String {
        let root_fs = match self.root_fs {
            RootFs::Squashfs => "squashfs",
            RootFs::Ext4 => "ext4",
        };
        let transport = match self.transport {
            Transport::Serial => "serial",
            Transport::Vsock(_) => "vsock",
        };
        [
            // A panic or a reboot ends the VMM (-no-reboot).
            "console=ttyS0 quiet panic=-1 reboot=t",
            // Everything in a guest belongs to one user: guarding its kernel from its own programs
            // against speculation costs much under emulation and gains nothing.
            "mitigations=off",
            "random.trust_cpu=on",
            // Huge pages would make a clone own 2 MiB for every byte it writes.
            "transparent_hugepage=never",
            // Each session would get the same share of the processor, whatever the agent's priority.
            "noautogroup",
            // What a guest does not need costs translated code in every clone.
            "lsm=capability psi=0",
            "pci=off i8042.noaux i8042.nokbd audit=0 nowatchdog cgroup_no_v1=all",
        ]
        .join(" ")
            + &self.emulation_options()
            + &format!(" {TRANSPORT_OPTION}={transport} {ROOTFS_OPTION}={root_fs}")
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn socket(&mut self, id: &str, number: i32) {
        self.pair(
            "-chardev",
            format!("socket,id={id},fd={number},server=on,wait=off"),
        );
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) {
        self.0.push(option.into());
        self.0.push(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(start: Start, transport: Transport) -> String {
        arguments_on(Accelerator::Tcg, start, transport)
    }

    fn arguments_on(accelerator: Accelerator, start: Start, transport: Transport) -> String {
        let invocation = Invocation {
            name: "thaw-0-a",
            accelerator,
            shape: Shape {
                vcpus: 1,
                memory_mib: 256,
            },
            root_fs: RootFs::Squashfs,
            start,
            transport,
            tsc_khz: 2_445_424,
        };
        let words: Vec<_> = invocation
            .arguments()
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_shell_has_no_kernel_and_believes_that_its_memory_is_shared() {
        let shell = arguments(Start::Incoming, Transport::Serial);
        assert!(shell.contains("-incoming defer"));
        assert!(shell.contains("share=on"));
        assert!(!shell.contains("-kernel"));
    }

    #[test]
    fn a_booted_machine_names_its_root_and_transport_to_the_agent() {
        let boot = arguments(Start::Boot, Transport::Serial);
        assert!(boot.contains("share=on"));
        assert!(boot.contains("tsc_early_khz=2445424"));
        assert!(boot.contains("thaw.rootfs=squashfs"));
        assert!(boot.contains("thaw.transport=serial"));
        assert!(!boot.contains("-incoming"));
    }

    #[test]
    fn a_disk_that_the_host_cant_write_is_told_to_the_guest_and_stops_nothing() {
        for start in [Start::Boot, Start::Incoming] {
            let line = arguments(start, Transport::Serial);
            assert!(line.contains("drive=scratch,rerror=report,werror=report"));
        }
    }

    #[test]
    fn programs_have_fixed_addresses_under_emulation_only() {
        for (accelerator, fixed) in [(Accelerator::Tcg, true), (Accelerator::Kvm, false)] {
            let boot = arguments_on(accelerator, Start::Boot, Transport::Serial);
            assert_eq!(boot.contains("norandmaps"), fixed, "{accelerator}");
        }
    }

    #[test]
    fn another_machine_has_another_digest() {
        let digests = [
            machine_digest(Accelerator::Tcg, Transport::Serial),
            machine_digest(Accelerator::Kvm, Transport::Serial),
            machine_digest(Accelerator::Tcg, Transport::Vsock(0)),
        ];
        assert!(digests.iter().all(|digest| digest.len() == 16));
        assert_ne!(digests[0], digests[1]);
        assert_ne!(digests[0], digests[2]);
        let again = machine_digest(Accelerator::Tcg, Transport::Serial);
        assert_eq!(digests[0], again);
    }

    #[test]
    fn a_command_line_is_that_of_every_boot_of_its_kind() {
        let line = command_line_of(Accelerator::Tcg, Transport::Serial);
        let boot = arguments(Start::Boot, Transport::Serial);
        // Only how fast the counter runs is another.
        assert!(boot.contains(&line.replace("tsc_early_khz=0", "tsc_early_khz=2445424")));
        assert_ne!(line, command_line_of(Accelerator::Kvm, Transport::Serial));
        assert_ne!(line, command_line_of(Accelerator::Tcg, Transport::Vsock(0)));
    }

    #[test]
    fn over_vsock_there_is_no_serial_port_for_the_agent() {
        let boot = arguments(Start::Boot, Transport::Vsock(77));
        assert!(boot.contains("guest-cid=77"));
        assert!(boot.contains("thaw.transport=vsock"));
        assert!(!boot.contains("virtserialport"));
    }
}
