//! Who sent a request, and what they may do.

mod enforce;
mod routes;
mod table;
#[cfg(test)]
mod walk;

pub(crate) use routes::Routes;
