//! Fields, aliases, tenants, quotas and operations, over gRPC.

use crate::common::Running;
use aethervec_server::proto::administration_client::AdministrationClient;
use aethervec_server::proto::*;
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::Channel;

async fn client(server: &Running) -> AdministrationClient<Channel> {
    let address = format!("http://{}", server.addresses.grpc.unwrap());
    AdministrationClient::connect(address).await.unwrap()
}

fn tenant(name: &str) -> TenantRequest {
    TenantRequest {
        tenant: name.to_owned(),
    }
}

#[tokio::test]
async fn fields_and_aliases_come_and_go() {
    let server = Running::start().await;
    server.notes().await;
    let mut client = client(&server).await;
    let add = AddFieldRequest {
        collection: "notes".into(),
        name: "image".into(),
        field: json!({"kind": "dense", "dim": 3}).to_string(),
    };
    let added = client.add_field(add).await.unwrap().into_inner();
    assert!(
        added.description.contains("\"image\""),
        "{}",
        added.description
    );
    let drop = DropFieldRequest {
        collection: "notes".into(),
        name: "image".into(),
    };
    let dropped = client.drop_field(drop).await.unwrap().into_inner();
    assert!(!dropped.description.contains("\"image\""));
    let change = ChangeCollectionRequest {
        collection: "notes".into(),
        changes: json!({"ttl_ms": 60_000}).to_string(),
    };
    let changed = client.change_collection(change).await.unwrap().into_inner();
    assert!(
        changed.description.contains("60000"),
        "{}",
        changed.description
    );
    let set = ChangeAliasesRequest {
        changes: json!([{"set": {"alias": "now", "collection": "notes"}}]).to_string(),
    };
    let set = client.change_aliases(set).await.unwrap().into_inner();
    assert_eq!(set.aliases["now"], "notes");
    let listed = client.list_aliases(ListAliasesRequest {}).await.unwrap();
    assert_eq!(listed.into_inner(), set);
    let wrong = ChangeAliasesRequest {
        changes: "[{\"sets\": {}}]".into(),
    };
    let refused = client.change_aliases(wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn tenants_have_quotas() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    for created in [true, false] {
        let answer = client.create_tenant(tenant("acme")).await.unwrap();
        assert_eq!(answer.into_inner().created, created);
    }
    let listed = client.list_tenants(ListTenantsRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().tenants, ["acme"]);
    let quota = Quota {
        documents_max: Some(3),
        ..Quota::default()
    };
    let set = SetQuotaRequest {
        tenant: "acme".into(),
        quota: Some(quota),
    };
    let set = client.set_quota(set).await.unwrap().into_inner();
    assert_eq!((set.own, set.holds), (Some(quota), Some(quota)));
    let shown = client.get_quota(tenant("acme")).await.unwrap();
    assert_eq!(shown.into_inner(), set);
    client.drop_tenant(tenant("acme")).await.unwrap();
    let gone = client.drop_tenant(tenant("acme")).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let path = client.create_tenant(tenant("../acme")).await.unwrap_err();
    assert_eq!(path.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn operations_are_begun_and_watched() {
    let server = Running::start().await;
    server.notes().await;
    let mut client = client(&server).await;
    let begin = BeginOperationRequest {
        operation: json!({"check": {}}).to_string(),
    };
    let begun = client.begin_operation(begin).await.unwrap().into_inner();
    let id = OperationRequest { id: begun.id };
    let done = loop {
        let shown = client.get_operation(id.clone()).await.unwrap().into_inner();
        let operation: Value = serde_json::from_str(&shown.operation).unwrap();
        if operation["state"] != "running" {
            break operation;
        }
    };
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["result"]["problems"], json!([]));
    let listed = client
        .list_operations(ListOperationsRequest {})
        .await
        .unwrap();
    assert_eq!(listed.into_inner().operations[0].id, id.id);
    // It is too late for that.
    let shown = client.cancel_operation(id).await.unwrap().into_inner();
    let operation: Value = serde_json::from_str(&shown.operation).unwrap();
    assert_eq!(operation["state"], "done");
    let unknown = OperationRequest {
        id: uuid::Uuid::nil().to_string(),
    };
    let refused = client.cancel_operation(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    server.stop().await;
}
