//! The pool of one template: a task that owns its shells and parked clones and carries out what the
//! [policy](crate::policy) decides.
//!
//! ```text
//! callers ──Command──► Pool task ──jobs──► spawn, restore, prove     each owns its VMM while it lasts
//!                        ▲   └── clones ──► callers
//!                        └── ends of VMMs, room on the node, the policy's own clock
//! ```

mod handle;
mod jobs;
mod record;
mod task;

pub(crate) use handle::{FreshClone, LeasedCount, Pool, PoolSetup};
pub(crate) use jobs::ReadyShell;
pub(crate) use record::record_anew;
