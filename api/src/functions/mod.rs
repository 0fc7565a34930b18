//! `/v1/functions`: deploying, listing, aliases, logs, and giving events.

mod aliases;
mod aws;
mod convert;
mod deploy;
mod events;
mod invoke;
mod list;
mod logs;
mod proxy;
mod request_id;
mod stream;

pub(crate) use aliases::*;
pub(crate) use aws::*;
pub(crate) use deploy::*;
pub(crate) use events::*;
pub(crate) use invoke::*;
pub(crate) use list::*;
pub(crate) use logs::*;
pub(crate) use proxy::*;
