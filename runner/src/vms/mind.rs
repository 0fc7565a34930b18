//! One task for each VM: pauses it when nobody uses it, deletes it when its time is over.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{PausedBy, Vm, VmStatus, vm::Plan};
use crate::{EventKind, Runner, clock::now_ms, runner::WeakRunner};

/// A minder looks again after this time at the latest, because the wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// When a VM that could not be deleted is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);

impl Runner {
    /// Starts the task. It ends with the VM, or with the runner.
    pub(crate) fn mind(&self, vm: &Arc<Vm>) {
        let (runner, vm) = (self.downgrade(), Arc::clone(vm));
        let stopped = self.stopping().clone();
        self.tasks().spawn(async move {
            stopped.run_until_cancelled(minding(&runner, &vm)).await;
        });
    }

    async fn pause_idle(&self, vm: &Arc<Vm>) {
        let (Some(turn), Some(idle)) = (vm.turn().await, vm.info().idle_timeout) else {
            return;
        };
        let Some(_changing) = turn.changing_if_idle(idle) else {
            return;
        };
        match self.on_node(&turn, self.node().pause(vm.id())).await {
            Ok(()) => {
                let mut info = turn.info();
                info.state = VmStatus::Paused(PausedBy::Idle);
                turn.set(info);
                let reason = format!("nobody used it for {} s", idle.as_secs());
                self.tell_vm(EventKind::VmPaused, vm, Some(reason));
            }
            Err(error) => {
                tracing::warn!(vm = %vm.id(), %error, "could not pause an idle VM");
                // It is tried again after as long.
                turn.touch();
            }
        }
    }
}

async fn minding(runner: &WeakRunner, vm: &Arc<Vm>) {
    let mut changes = vm.changes();
    while !vm.is_gone() {
        changes.mark_unchanged();
        let now = Instant::now();
        match due(vm.plan(), now, now_ms()) {
            Due::Expired => {
                let Some(runner) = runner.upgrade() else {
                    return;
                };
                runner.forget(vm.id(), "its maximum lifetime is over").await;
                if !vm.is_gone() {
                    // The disk may be full: it is tried again.
                    let _ = timeout_at(now + TRY_AGAIN, changes.changed()).await;
                }
            }
            Due::Idle => match runner.upgrade() {
                Some(runner) => runner.pause_idle(vm).await,
                None => return,
            },
            Due::At(when) => {
                // Whichever comes first, it looks again.
                let _ = timeout_at(when, changes.changed()).await;
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Due {
    Expired,
    Idle,
    At(Instant),
}

fn due(plan: Plan, now: Instant, now_ms: u64) -> Due {
    let mut when = now + LOOK_AGAIN;
    if let Some(expires_at_ms) = plan.expires_at_ms {
        if expires_at_ms <= now_ms {
            return Due::Expired;
        }
        let left = Duration::from_millis(expires_at_ms - now_ms).min(LOOK_AGAIN);
        when = when.min(now + left);
    }
    match plan.idle_at {
        Some(idle_at) if idle_at <= now => Due::Idle,
        Some(idle_at) => Due::At(when.min(idle_at)),
        None => Due::At(when),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_its_time_comes_before_idleness_and_the_nearest_is_waited_for() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let plan = |idle_at, expires_at_ms| Plan {
            idle_at,
            expires_at_ms,
        };
        assert_eq!(due(plan(Some(now), Some(5)), now, 5), Due::Expired);
        assert_eq!(due(plan(Some(now), Some(6)), now, 5), Due::Idle);
        let idle = Some(now + second);
        assert_eq!(
            due(plan(idle, Some(505)), now, 5),
            Due::At(now + second / 2)
        );
        assert_eq!(due(plan(idle, Some(9_000)), now, 5), Due::At(now + second));
        assert_eq!(due(plan(None, None), now, 5), Due::At(now + LOOK_AGAIN));
        assert_eq!(
            due(plan(None, Some(u64::MAX)), now, 5),
            Due::At(now + LOOK_AGAIN)
        );
    }
}
