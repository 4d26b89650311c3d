//! That a server is there, and ends when it is told to.

use crate::common::Running;

#[tokio::test]
async fn a_server_answers_and_ends() {
    let server = Running::start().await;
    let (status, body) = server.get("/health").await;
    assert_eq!((status, &body["status"]), (200, &"ok".into()));
    server.stop().await;
}
