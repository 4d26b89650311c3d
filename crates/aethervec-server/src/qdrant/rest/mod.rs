//! The dialect over HTTP. A route is a line of a table: what it may do, and which operation answers it.

mod call;
mod handlers;
mod routes;
mod snapshots;

pub(crate) use routes::router;
