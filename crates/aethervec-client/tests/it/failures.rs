//! What a client does when something is wrong.

use crate::server::Running;
use aethervec_client::{ErrorKind, Retry, Vector, VectorDatabaseClient};
use std::time::Duration;

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_said() {
    for url in ["localhost:9090", "ftp://localhost", "http://", ""] {
        let error = VectorDatabaseClient::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url:?}: {error}");
    }
    let error = VectorDatabaseClient::connect("http://127.0.0.1:1").await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("refused"), "{error}");
    let options = VectorDatabaseClient::options("http://127.0.0.1:1").api_key("a\nb");
    assert!(!format!("{options:?}").contains("a\\nb"), "{options:?}");
}

#[tokio::test]
async fn calls_go_on_after_a_restart() {
    let server = Running::start().await;
    let options = VectorDatabaseClient::options(server.url()).retry(Retry {
        attempts_max: 100,
        pause_min: Duration::from_millis(20),
        pause_max: Duration::from_millis(100),
    });
    let client = options.connect().await.unwrap();
    client
        .insert_vectors([Vector::new("a", [1.0, 0.0])])
        .await
        .unwrap();
    let port = server.port();
    let folder = server.stop().await;
    let (found, server) = tokio::join!(
        client.query_similar([1.0, 0.0], 1),
        Running::start_in(folder, port)
    );
    assert_eq!(found.unwrap().vectors.len(), 1);
    // What cannot have been sent is sent again.
    let folder = server.stop().await;
    let (written, server) = tokio::join!(
        client.insert_vectors([("b", [0.0, 1.0])]),
        Running::start_in(folder, port)
    );
    assert_eq!(written.unwrap().count, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_call_ends_with_its_time() {
    // Somebody accepts connections, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let options = VectorDatabaseClient::options(url).timeout(Duration::from_millis(50));
    let client = options.connect().await.unwrap();
    let error = client.health().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
}

#[tokio::test]
async fn errors_have_the_kind_of_the_server() {
    let server = Running::start().await;
    let client = server.client().await;
    client.insert_vectors([("a", [1.0, 0.0])]).await.unwrap();
    let short = client.insert_vectors([("b", [1.0])]).await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Invalid, "{short}");
    assert!(client.query_similar([1.0], 1).await.is_err());
    let nobody = client.tenant("nobody").unwrap();
    let error = nobody.collections().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(client.tenant("no\nbody").is_err());
    server.stop().await;
}
