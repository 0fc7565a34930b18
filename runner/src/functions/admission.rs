//! Who runs, who waits and who is refused: a pure state machine.
//!
//! ```text
//! arrive ──room, and nobody of the function waits──► runs: starts ──started──► … ──leave──► the next that waits runs
//!   │                                                  ▲
//!   ├──else, and a place to wait──► waits ─────────────┘ in turn: function by function, key by key
//!   │                                 └──give up──► gone
//!   └──else──► refused
//! ```
//!
//! Of those of a function that run only so many may still start: wait for a clone. Whoever would run but for that
//! waits here, and not where clones are handed out, beside those for whom the function's queue has places.
//!
//! Functions that wait take turns, and within a function its keys do, so neither a busy function nor a busy
//! key holds up the others.

use std::collections::{HashMap, VecDeque};

/// Names an arrival until it runs, is refused or gives up.
pub(crate) type Ticket = u64;

/// The bounds of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) running: u32,
    pub(crate) waiting: u32,
    /// Of those that run, those that have no clone yet.
    pub(crate) starting: u32,
}

/// What becomes of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Runs,
    /// In a free place, or in that of one that waits no more.
    Waits {
        instead_of: Option<Ticket>,
    },
    /// So many wait already where it would have to.
    Refused {
        waiting: u32,
    },
}

/// Everything that runs and waits.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Of all functions together.
    all: Share,
    running: u32,
    waiting: u32,
    lines: HashMap<String, Line>,
    /// Functions with somebody who waits, in turn.
    turns: VecDeque<String>,
}

/// What runs and waits of one function; there is one as long as something does.
#[derive(Debug)]
struct Line {
    share: Share,
    running: u32,
    waiting: u32,
    starting: u32,
    keys: HashMap<String, VecDeque<Ticket>>,
    /// Keys with somebody who waits, in turn.
    turns: VecDeque<String>,
}

impl Admission {
    pub(crate) fn new(all: Share) -> Self {
        Self {
            all,
            running: 0,
            waiting: 0,
            lines: HashMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Somebody wants to run. The function's share may change from arrival to arrival; the last one counts.
    pub(crate) fn arrive(
        &mut self,
        ticket: Ticket,
        function: &str,
        key: &str,
        share: Share,
    ) -> Arrival {
        let line = self
            .lines
            .entry(function.to_owned())
            .or_insert_with(|| Line {
                share,
                running: 0,
                waiting: 0,
                starting: 0,
                keys: HashMap::new(),
                turns: VecDeque::new(),
            });
        line.share = share;
        let has_turn = line.has_room() && line.waiting == 0;
        let arrival = if self.running < self.all.running && has_turn {
            self.running += 1;
            line.begin();
            Arrival::Runs
        } else {
            match self.place_to_wait(function, key) {
                Err(waiting) => Arrival::Refused { waiting },
                Ok(instead_of) => {
                    self.wait(ticket, function, key);
                    Arrival::Waits { instead_of }
                }
            }
        };
        self.forget_if_idle(function);
        arrival
    }

    /// Makes sure that one more may wait, and says who was pushed out for it; else how many wait.
    fn place_to_wait(&mut self, function: &str, key: &str) -> Result<Option<Ticket>, u32> {
        let Some(line) = self.lines.get(function) else {
            return Err(0);
        };
        let (own, of_key) = (line.waiting, line.of_key(key));
        let longer_key = |line: &Line| line.longest().filter(|(_, most)| *most > of_key + 1);
        let pushed = if own >= line.places() {
            let (longest, _) = longer_key(line).ok_or(own)?;
            (function.to_owned(), longest)
        } else if self.waiting < self.all.waiting {
            return Ok(None);
        } else {
            let longest = self
                .lines
                .iter()
                .max_by_key(|(name, line)| (line.waiting, *name));
            let (name, longest) = longest.ok_or(self.waiting)?;
            let key = if longest.waiting > own + 1 {
                longest.longest().map(|(key, _)| (name.clone(), key))
            } else {
                longer_key(line).map(|(key, _)| (function.to_owned(), key))
            };
            key.ok_or(self.waiting)?
        };
        let (function, key) = pushed;
        let latest = self.lines.get(&function).and_then(|line| line.latest(&key));
        if let Some(ticket) = latest {
            self.give_up(ticket, &function, &key);
        }
        Ok(latest)
    }

    fn wait(&mut self, ticket: Ticket, function: &str, key: &str) {
        if let Some(line) = self.lines.get_mut(function) {
            line.wait(ticket, key);
            if line.waiting == 1 {
                self.turns.push_back(function.to_owned());
            }
            self.waiting += 1;
        }
    }

    /// One that runs has a clone; returns who runs now.
    pub(crate) fn started(&mut self, function: &str) -> Vec<Ticket> {
        if let Some(line) = self.lines.get_mut(function) {
            line.starting = line.starting.saturating_sub(1);
        }
        self.advance()
    }

    /// One that ran has ended, maybe before it had a clone; returns who runs now.
    pub(crate) fn leave(&mut self, function: &str, was_starting: bool) -> Vec<Ticket> {
        if let Some(line) = self.lines.get_mut(function) {
            line.starting = line.starting.saturating_sub(u32::from(was_starting));
            line.running = line.running.saturating_sub(1);
            self.running = self.running.saturating_sub(1);
        }
        let started = self.advance();
        self.forget_if_idle(function);
        started
    }

    /// One that waits does so no more; returns who runs now. Does nothing when it does not wait.
    pub(crate) fn give_up(&mut self, ticket: Ticket, function: &str, key: &str) {
        if let Some(line) = self.lines.get_mut(function)
            && line.give_up(ticket, key)
        {
            self.waiting -= 1;
            if line.waiting == 0 {
                self.turns.retain(|other| other != function);
            }
        }
        self.forget_if_idle(function);
    }

    /// What runs and waits of a function.
    pub(crate) fn of(&self, function: &str) -> (u32, u32) {
        self.lines
            .get(function)
            .map_or((0, 0), |line| (line.running, line.waiting))
    }

    fn advance(&mut self) -> Vec<Ticket> {
        let mut started = Vec::new();
        let mut passed_over = 0;
        while self.running < self.all.running && passed_over < self.turns.len() {
            let Some(function) = self.turns.pop_front() else {
                break;
            };
            let Some(line) = self.lines.get_mut(&function) else {
                continue;
            };
            if !line.has_room() {
                passed_over += 1;
                self.turns.push_back(function);
                continue;
            }
            if let Some(ticket) = line.next() {
                passed_over = 0;
                line.begin();
                self.running += 1;
                self.waiting -= 1;
                started.push(ticket);
            }
            if line.waiting > 0 {
                self.turns.push_back(function);
            }
        }
        started
    }

    fn forget_if_idle(&mut self, function: &str) {
        if self.of(function) == (0, 0) {
            self.lines.remove(function);
        }
    }
}

impl Line {
    /// Whether one more of it may run.
    fn has_room(&self) -> bool {
        self.running < self.share.running && self.starting < self.share.starting
    }

    fn begin(&mut self) {
        self.running += 1;
        self.starting += 1;
    }

    /// How many may wait: those of its queue, and those that would run but for the ones that start.
    fn places(&self) -> u32 {
        let unused = if self.starting >= self.share.starting {
            self.share.running.saturating_sub(self.running)
        } else {
            0
        };
        self.share.waiting.saturating_add(unused)
    }

    /// How many wait of a key.
    fn of_key(&self, key: &str) -> usize {
        self.keys.get(key).map_or(0, VecDeque::len)
    }

    /// The key of which the most wait, and how many.
    fn longest(&self) -> Option<(String, usize)> {
        let longest = self
            .keys
            .iter()
            .max_by_key(|(key, queue)| (queue.len(), *key));
        longest.map(|(key, queue)| (key.clone(), queue.len()))
    }

    /// Who came last of those that wait of a key.
    fn latest(&self, key: &str) -> Option<Ticket> {
        self.keys.get(key)?.back().copied()
    }

    fn wait(&mut self, ticket: Ticket, key: &str) {
        let queue = self.keys.entry(key.to_owned()).or_default();
        if queue.is_empty() {
            self.turns.push_back(key.to_owned());
        }
        queue.push_back(ticket);
        self.waiting += 1;
    }

    fn next(&mut self) -> Option<Ticket> {
        let key = self.turns.pop_front()?;
        let queue = self.keys.get_mut(&key)?;
        let ticket = queue.pop_front()?;
        self.waiting -= 1;
        if queue.is_empty() {
            self.keys.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        Some(ticket)
    }

    fn give_up(&mut self, ticket: Ticket, key: &str) -> bool {
        let Some(queue) = self.keys.get_mut(key) else {
            return false;
        };
        let before = queue.len();
        queue.retain(|other| *other != ticket);
        if queue.len() == before {
            return false;
        }
        self.waiting -= 1;
        if queue.is_empty() {
            self.keys.remove(key);
            self.turns.retain(|other| other != key);
        }
        true
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
