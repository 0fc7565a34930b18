//! Functions: code that is frozen after its initialisation and given events.
//!
//! ```text
//! deploy:  code checked and kept ─► Node::bake_function ─► pool's bounds ─► version committed ─► it serves
//!              └─ refused ─► nothing changed    └─ does not initialise ─► its own output, nothing changed
//!
//! invoke:  name, version or alias ─► desk (admission) ─► a clone ─► Node::invoke ─► result, log ─► clone
//!              └─ no such one ─► not found   └─ full ─► refused       │                             ├─ fit, and reuse is left: kept
//!                                                                     └─ the caller left ─► gone    └─ else: gone
//! ```
//!
//! What must outlive the daemon (functions, versions, aliases, queued events) is in `runner.db`; code lies in a folder of its
//! own, by digest. Logs are bounded rings in memory.

mod admission;
mod aliases;
mod bounds;
mod clones;
mod code;
mod config;
mod connect;
mod deploy;
mod described;
mod desk;
mod error;
mod event_turns;
mod events;
mod gathered;
mod info;
mod invoke;
mod limits;
mod logs;
mod names;
mod observe;
mod open;
mod queued;
mod registry;
mod remove;
mod running;
mod service;
mod settle;
mod spec;
mod version;

pub use aliases::{Alias, Route};
pub use code::{CodeError, CodeLimits};
pub use config::FunctionsConfig;
pub use connect::Connected;
pub use error::{DeployError, FunctionError, InvokeError};
pub use info::{FunctionInfo, FunctionStanding};
pub use invoke::{Answer, Invocation, Way};
pub use limits::FunctionsLimits;
pub use logs::{InvocationLog, LogQuery};
pub use names::{BadName, FunctionName};
pub use observe::{Ending, Observed};
pub use open::OpenFunctionsError;
pub use queued::{EventInfo, EventState, QueuedEvent};
pub use running::RunningInvocation;
pub use service::Functions;
pub use spec::{Deploy, VersionSpec};
pub use version::Version;
