//! Whose queued event is served next: a pure state machine.
//!
//! A function begins another event only while it serves fewer than places are free. So one alone gets half of
//! the places, two a third each, and somebody new finds one free. Among those who may, the one that serves
//! the fewest is next, then the one whose last turn is the longest ago; within a function its keys the same way.

use std::collections::HashMap;

use crate::store::EventLine;

/// Counts what is served, and remembers the turns of those who are served or wait.
#[derive(Debug)]
pub(crate) struct EventTurns {
    places: usize,
    serving: usize,
    turn: u64,
    functions: HashMap<String, Turns>,
    lines: HashMap<EventLine, Turns>,
}

/// Of a function, or of a key within one. In order of who is next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turns {
    serving: usize,
    last: u64,
}

impl EventTurns {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places,
            serving: 0,
            turn: 0,
            functions: HashMap::new(),
            lines: HashMap::new(),
        }
    }

    /// Begins an event of one of `due`, the lines that have some; none when nobody may.
    pub(crate) fn begin_next(&mut self, due: &[EventLine]) -> Option<EventLine> {
        let free = self.places - self.serving;
        let line = due
            .iter()
            .filter(|line| self.of_function(&line.0).serving < free)
            .min_by_key(|line| (self.of_function(&line.0), self.of_line(line)))?
            .clone();
        self.turn += 1;
        self.serving += 1;
        let last = self.turn;
        for turns in [
            self.functions.entry(line.0.clone()).or_default(),
            self.lines.entry(line.clone()).or_default(),
        ] {
            turns.serving += 1;
            turns.last = last;
        }
        self.forget_idle(due);
        Some(line)
    }

    /// An event of a line has ended.
    pub(crate) fn end(&mut self, line: &EventLine) {
        self.serving = self.serving.saturating_sub(1);
        for turns in [self.functions.get_mut(&line.0), self.lines.get_mut(line)]
            .into_iter()
            .flatten()
        {
            turns.serving = turns.serving.saturating_sub(1);
        }
    }

    fn of_function(&self, function: &str) -> Turns {
        self.functions.get(function).copied().unwrap_or_default()
    }

    fn of_line(&self, line: &EventLine) -> Turns {
        self.lines.get(line).copied().unwrap_or_default()
    }

    /// Whoever neither is served nor waits has no turns to keep.
    fn forget_idle(&mut self, due: &[EventLine]) {
        if self.lines.len() <= 2 * due.len() + self.places {
            return;
        }
        self.lines
            .retain(|line, turns| turns.serving > 0 || due.contains(line));
        let lines = &self.lines;
        self.functions
            .retain(|function, _| lines.keys().any(|line| line.0 == *function));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(function: &str, key: &str) -> EventLine {
        (function.to_owned(), key.to_owned())
    }

    #[test]
    fn one_function_alone_gets_half_of_the_places_and_somebody_new_the_next() {
        let mut turns = EventTurns::new(8);
        let busy = [line("busy", "a")];
        let served = std::iter::from_fn(|| turns.begin_next(&busy)).count();
        assert_eq!(served, 4);
        let both = [line("busy", "a"), line("calm", "a")];
        assert_eq!(turns.begin_next(&both), Some(line("calm", "a")));
    }

    #[test]
    fn keys_of_a_function_take_turns_however_much_one_has() {
        let mut turns = EventTurns::new(4);
        let due = [line("f", "a"), line("f", "b")];
        for key in ["a", "b", "a", "b"] {
            let begun = turns.begin_next(&due).unwrap();
            assert_eq!(begun, line("f", key));
            turns.end(&begun);
        }
    }

    proptest! {
        /// As long as every event ends some time, every line that has some is served within a bound, whatever
        /// ends when.
        #[test]
        fn nobody_starves(ends in prop::collection::vec(any::<prop::sample::Index>(), 400), lines in 2..12usize) {
            let places = 8;
            let mut turns = EventTurns::new(places);
            let due: Vec<_> = (0..lines).map(|n| line(&(n / 3).to_string(), &n.to_string())).collect();
            let mut serving = Vec::new();
            let mut unserved: HashMap<EventLine, usize> = due.iter().map(|line| (line.clone(), 0)).collect();
            for (nth, end) in ends.into_iter().enumerate() {
                while let Some(begun) = turns.begin_next(&due) {
                    unserved.insert(begun.clone(), 0);
                    serving.push(begun);
                }
                prop_assert!(serving.len() < places);
                let ended = if nth % 2 == 0 { 0 } else { end.index(serving.len()) };
                turns.end(&serving.remove(ended));
                for (line, ends) in &mut unserved {
                    *ends = if serving.contains(line) { 0 } else { *ends + 1 };
                    prop_assert!(*ends <= 2 * lines * places, "{line:?}");
                }
            }
            for line in serving {
                turns.end(&line);
            }
            prop_assert_eq!(turns.serving, 0);
        }
    }
}
