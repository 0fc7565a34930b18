//! What all sessions of one guest share.

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    background::Background,
    code::Interpreters,
    disk::Scratch,
    exec::{Keeper, Leftovers},
    functions::Functions,
    process::{Children, Orphans},
    rest::Rest,
    wake::{Identity, Random},
};

/// How many operations run at once; the next one is answered with `Exhausted`.
const MAX_OPERATIONS: usize = 256;

/// What the agent may do to the system around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// The machine is its own: wake sets its clock, name and random generator, shutdown ends it.
    Guest,
    /// The machine belongs to somebody else, as in tests: wake changes nothing but what the agent
    /// started itself, shutdown is refused.
    Visitor,
}

/// The agent's state, which outlives every connection.
#[derive(Debug, Clone)]
pub struct Agent {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    powers: Powers,
    children: Children,
    keeper: Keeper,
    background: Background,
    rest: Rest,
    interpreters: Interpreters,
    functions: Functions,
    identity: Identity,
    random: Random,
    scratch: Scratch,
    operations: Arc<Semaphore>,
}

impl Agent {
    /// Makes the agent; its tasks run on `runtime`.
    pub fn new(powers: Powers, runtime: Handle) -> Self {
        let children = Children::new(runtime.clone());
        let keeper = Keeper::new(runtime.clone());
        Self {
            shared: Arc::new(Shared {
                powers,
                background: Background::new(runtime, keeper.leftovers().clone()),
                keeper,
                rest: Rest::default(),
                interpreters: Interpreters::new(children.clone()),
                functions: Functions::default(),
                identity: Identity::default(),
                random: Random::default(),
                scratch: Scratch::default(),
                children,
                operations: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            }),
        }
    }

    /// The reaper of what nobody waits for; only for PID 1.
    pub(crate) fn orphans(&self) -> std::io::Result<Orphans> {
        Orphans::new(self.shared.children.clone())
    }

    pub(crate) fn powers(&self) -> Powers {
        self.shared.powers
    }

    pub(crate) fn children(&self) -> &Children {
        &self.shared.children
    }

    pub(crate) fn leftovers(&self) -> &Leftovers {
        self.shared.keeper.leftovers()
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        &self.shared.keeper
    }

    pub(crate) fn background(&self) -> &Background {
        &self.shared.background
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.shared.rest
    }

    pub(crate) fn interpreters(&self) -> &Interpreters {
        &self.shared.interpreters
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.shared.functions
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    pub(crate) fn random(&self) -> &Random {
        &self.shared.random
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.shared.scratch
    }

    /// The right to run one more operation, if there is room.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.operations).try_acquire_owned().ok()
    }
}
