//! The program of the documentation, as it stands there.

use crate::server::Running;
use aethervec_client::VectorDatabaseClient;

#[tokio::test]
async fn the_program_of_the_documentation_runs() -> Result<(), Box<dyn std::error::Error>> {
    let server = Running::start().await;
    let url = server.url();

    let client = VectorDatabaseClient::connect(url).await?;

    let vectors = vec![("a", vec![1.0, 0.0]), ("b", vec![0.0, 1.0])];
    let inserted = client.insert_vectors(vectors).await?;
    assert_eq!(inserted.count, 2);

    let query = vec![0.9, 0.1];
    let mut found = Vec::new();
    for vector in client.query_similar(query, 10).await?.vectors {
        found.push(format!("{} {:.3}", vector.id, vector.similarity));
    }
    assert_eq!(found, ["a 0.994", "b 0.110"]);

    drop(client);
    server.stop().await;
    Ok(())
}
