//! What /proc tells of this machine and of the daemon on it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How often the daemon's holdings are looked at while they change.
const LOOK: Duration = Duration::from_millis(20);

/// So many looks in a row have to find the same.
const STEADY_LOOKS: u32 = 50;

/// For holdings to come to rest.
const SETTLING: Duration = Duration::from_secs(60);

/// The daemon as a process of this machine.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Its process.
    pub(crate) pid: u32,
    /// Its storage root.
    pub(crate) storage: PathBuf,
}

/// What a daemon holds that it may forget to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Children that are VMMs.
    pub(crate) vmms: usize,
    /// Open descriptors, without those of connections to clients.
    pub(crate) descriptors: usize,
    /// Files and folders below its run folder.
    pub(crate) run_entries: usize,
}

impl Holdings {
    fn is_within(self, before: Self) -> bool {
        self.vmms <= before.vmms
            && self.descriptors <= before.descriptors
            && self.run_entries <= before.run_entries
    }
}

impl Daemon {
    /// What it holds once that no longer changes.
    pub(crate) async fn steady(&self) -> Result<Holdings> {
        let mut pace = tokio::time::interval(LOOK);
        let deadline = Instant::now() + SETTLING;
        let (mut last, mut looks) = (self.holdings()?, 0);
        while looks < STEADY_LOOKS {
            if Instant::now() > deadline {
                bail!("the daemon did not come to rest within {SETTLING:?}: {last:?}");
            }
            pace.tick().await;
            let now = self.holdings()?;
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    /// What it holds when that is no more than it was, or else when the time for settling is over.
    pub(crate) async fn settled(&self, before: Holdings) -> Result<Holdings> {
        let mut pace = tokio::time::interval(LOOK);
        let deadline = Instant::now() + SETTLING;
        loop {
            pace.tick().await;
            let now = self.holdings()?;
            if now.is_within(before) || Instant::now() > deadline {
                return Ok(now);
            }
        }
    }

    fn holdings(&self) -> Result<Holdings> {
        Ok(Holdings {
            vmms: vmms_of(self.pid)?,
            descriptors: self.descriptors()?,
            run_entries: entries(&self.storage.join("run")).context("counting the run folder")?,
        })
    }

    /// How many connections clients keep open is theirs to decide, so sockets of TCP are left out.
    fn descriptors(&self) -> Result<usize> {
        let process = Path::new("/proc").join(self.pid.to_string());
        let sockets = fs::read_to_string(process.join("net/tcp"))?;
        let tcp: Vec<_> = sockets.lines().skip(1).filter_map(inode).collect();
        let mut count = 0;
        for entry in
            fs::read_dir(process.join("fd")).context("counting the daemon's descriptors")?
        {
            // One may be closed while they are counted.
            let Ok(target) = fs::read_link(entry?.path()) else {
                continue;
            };
            let is_tcp = target
                .to_str()
                .and_then(socket)
                .is_some_and(|of| tcp.contains(&of));
            count += usize::from(!is_tcp);
        }
        Ok(count)
    }
}

/// The inode of a line of /proc/net/tcp (proc_net_tcp in the kernel's documentation).
fn inode(line: &str) -> Option<u64> {
    line.split_whitespace().nth(9)?.parse().ok()
}

/// The inode of a descriptor that is a socket.
fn socket(target: &str) -> Option<u64> {
    let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

fn vmms_of(parent: u32) -> Result<usize> {
    let parent = format!("\nPPid:\t{parent}\n");
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        // A process may end while it is looked at.
        let status = fs::read_to_string(entry?.path().join("status")).unwrap_or_default();
        let name = status.lines().next().unwrap_or_default();
        count += usize::from(name.contains("qemu") && status.contains(&parent));
    }
    Ok(count)
}

/// Files and folders below a folder. What goes while it is counted is not there.
fn entries(folder: &Path) -> io::Result<usize> {
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listing => listing?,
    };
    let mut count = 0;
    for entry in listing {
        let entry = entry?;
        count += 1;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count += entries(&entry.path())?;
        }
    }
    Ok(count)
}

/// The time that the CPUs of this machine have spent, in ticks since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    idle: u64,
    total: u64,
}

impl CpuTime {
    /// Until now.
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        Self::read(&stat).context("/proc/stat does not begin with the CPUs")
    }

    /// The line of all CPUs (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq, steal; guest times
    /// are part of the first two.
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields = line.split_whitespace().take(8);
        let ticks = fields
            .map(|field| field.parse::<u64>().ok())
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            idle: ticks.get(3)? + ticks.get(4)?,
            total: ticks.iter().sum(),
        })
    }

    /// The share of the CPUs' time that was not idle since then, in percent.
    pub(crate) fn busy_percent_since(self, then: Self) -> f64 {
        let total = self.total.saturating_sub(then.total).max(1);
        let idle = self.idle.saturating_sub(then.idle);
        100.0 * (1.0 - idle as f64 / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_waits_for_a_disk_is_idle() {
        let then = CpuTime::read("cpu  10 0 10 100 0 0 0 0 5 5\n").unwrap();
        let now = CpuTime::read("cpu  40 0 40 120 20 0 0 0 9 9\n").unwrap();
        assert!((now.busy_percent_since(then) - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_socket_is_found_by_its_inode() {
        let line = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(inode(line), Some(4711));
        assert_eq!(socket("socket:[4711]"), Some(4711));
        assert_eq!(socket("/dev/null"), None);
    }
}
