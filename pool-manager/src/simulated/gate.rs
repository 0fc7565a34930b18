//! Who may use the CPUs to start clones, as the node's start gate has it.

use std::collections::VecDeque;

/// A step that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn<T> {
    pub(super) step: T,
    pub(super) urgent: bool,
}

/// So many urgent steps at once and half as many others, which wait while any urgent one is there.
#[derive(Debug)]
pub(super) struct Gate<T> {
    at_once: usize,
    running: [usize; 2],
    waiting: [VecDeque<T>; 2],
}

impl<T> Gate<T> {
    pub(super) fn new(at_once: u32) -> Self {
        Self {
            at_once: at_once.max(1) as usize,
            running: [0; 2],
            waiting: [VecDeque::new(), VecDeque::new()],
        }
    }

    /// A step comes; returns what begins now.
    pub(super) fn enter(&mut self, turn: Turn<T>) -> Vec<Turn<T>> {
        self.waiting[usize::from(turn.urgent)].push_back(turn.step);
        self.begin()
    }

    /// A step is over; returns what begins now.
    pub(super) fn leave(&mut self, urgent: bool) -> Vec<Turn<T>> {
        self.running[usize::from(urgent)] -= 1;
        self.begin()
    }

    fn begin(&mut self) -> Vec<Turn<T>> {
        let mut begun = Vec::new();
        for urgent in [true, false] {
            let at_once = if urgent {
                self.at_once
            } else {
                self.at_once.div_ceil(2)
            };
            let is_held_up = !urgent && self.running[1] > 0;
            let (running, waiting) = (
                &mut self.running[usize::from(urgent)],
                &mut self.waiting[usize::from(urgent)],
            );
            while *running < at_once && !is_held_up {
                let Some(step) = waiting.pop_front() else {
                    break;
                };
                *running += 1;
                begun.push(Turn { step, urgent });
            }
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stocking_up_waits_for_those_that_callers_wait_for() {
        let mut gate = Gate::new(2);
        let turn = |step, urgent| Turn { step, urgent };
        assert_eq!(gate.enter(turn(1, false)), [turn(1, false)]);
        assert_eq!(gate.enter(turn(2, false)), []);
        assert_eq!(gate.enter(turn(3, true)), [turn(3, true)]);
        assert_eq!(gate.leave(false), []);
        assert_eq!(gate.leave(true), [turn(2, false)]);
    }
}
