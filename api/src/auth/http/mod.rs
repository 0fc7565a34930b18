//! `/v1/login`, `/v1/logout`, `/v1/session`, `/v1/keys`, `/v1/audit`.

mod audit;
mod keys;
mod login;
mod page;

pub(crate) use audit::{__path_audit, audit};
pub(crate) use keys::{__path_create, __path_list, __path_revoke, create, list, revoke};
pub(crate) use login::{__path_login, __path_logout, __path_session, login, logout, session};
pub(crate) use page::page;
