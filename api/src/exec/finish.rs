//! From what the guest and the node say of a program's end to what the caller is told.

use std::time::{Duration, Instant};

use thaw_api_types::{ExecExit, GuestUs, TimingsUs};
use thaw_runner::{
    RunningExec,
    node::{
        ExecTimings,
        vmm::protocol::{Exit, ExitStatus},
    },
};

use crate::convert;

/// The end of a program, as the caller is told. `arrived` is when its request was.
pub(super) fn finish(
    running: &RunningExec,
    exit: &Exit,
    timings: ExecTimings,
    arrived: Instant,
) -> ExecExit {
    let (exit_code, signal) = match exit.status {
        ExitStatus::Exited(code) => (Some(code), None),
        ExitStatus::Signaled(signal) => (None, Some(signal)),
    };
    ExecExit {
        exit_code,
        signal,
        timed_out: exit.timed_out,
        stdout_truncated: exit.stdout_truncated,
        stderr_truncated: exit.stderr_truncated,
        vm_id: running.vm_id().to_owned(),
        start: convert::start_kind(running.start()),
        timings_us: stages(
            running.queue(),
            running.restore(),
            timings,
            arrived.elapsed(),
        ),
        guest_us: GuestUs {
            wake: exit.timings.wake_us,
            spawn: exit.timings.spawn_us,
            run: exit.timings.run_us,
        },
    }
}

/// The daemon's own part is what no other stage accounts for.
fn stages(queue: Duration, restore: Duration, timings: ExecTimings, total: Duration) -> TimingsUs {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (queue, restore) = (us(queue), us(restore));
    let (resume, connect, exec) = (us(timings.resume), us(timings.connect), us(timings.exec));
    let others = [queue, restore, resume, connect, exec];
    let others = others.into_iter().fold(0, u64::saturating_add);
    // Each stage is cut to whole microseconds, so that the sum can't exceed the total by rounding; a node with
    // clocks of its own could still make it.
    let total = us(total).max(others);
    TimingsUs {
        daemon: total - others,
        queue,
        restore,
        resume,
        connect,
        exec,
        total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_add_up_to_the_total() {
        let ms = Duration::from_millis;
        let timings = ExecTimings {
            resume: ms(1),
            connect: ms(2),
            exec: ms(10),
        };
        let stages = stages(ms(3), ms(4), timings, ms(25));
        assert_eq!((stages.daemon, stages.total), (5_000, 25_000));
        let stages = super::stages(ms(30), ms(0), timings, ms(25));
        assert_eq!((stages.daemon, stages.total), (0, 43_000));
    }
}
