//! Whole collections, streamed in and out, for all protocols.
//!
//! A stream takes as long as its client; it has a turn of its own kind, so that requests never wait for streams.

use crate::app::App;
use crate::auth::{Action, Caller};
use crate::call::{At, Call};
use crate::error::ApiResult;
use crate::observe::request;
use crate::streams::{self, Bounded, Chunk, ChunkReader};
use crate::tenants::{Tenant, TenantName};
use aethervec::Upserted;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Reads JSON lines into the collection called `name`, which is made as their first line says if it is missing.
pub(crate) async fn import(
    app: &App,
    tenant: TenantName,
    caller: Caller,
    name: String,
    reader: ChunkReader,
) -> ApiResult<Upserted> {
    let tenants = Arc::clone(&app.tenants);
    let counted = app.quotas.enter(&tenant, Instant::now())?;
    app.streams
        .run(app.deadline(), move || -> ApiResult<Upserted> {
            request::of_tenant(&tenant);
            let tenant = tenants.get(&tenant)?;
            tenant.allow(&caller, Action::Manage, &name)?;
            let _counted = counted;
            let upserted = match tenant.room()? {
                None => tenant.db.import_jsonl(&name, reader, |_| {})?,
                Some(room) => {
                    let mut bounded = Bounded::new(reader, room);
                    match tenant.db.import_jsonl(&name, &mut bounded, |_| {}) {
                        Err(_) if bounded.is_over() => return Err(tenant.no_room()),
                        imported => imported?,
                    }
                }
            };
            request::inserted(upserted.inserted + upserted.replaced);
            Ok(upserted)
        })
        .await
}

/// Writes the collection called `name` as JSON lines.
pub(crate) async fn export(
    app: &App,
    tenant: TenantName,
    caller: Caller,
    at: At,
    name: String,
) -> ApiResult<mpsc::Receiver<Chunk>> {
    let view = move |tenant: &Arc<Tenant>| -> ApiResult<_> {
        let call = Call {
            tenant: Arc::clone(tenant),
            caller,
            at,
        };
        Ok((call.view(&name)?, call.tenant))
    };
    // The tenant stays open as long as the stream.
    let (view, tenant) = app.with_tenant(tenant, app.deadline(), view).await?;
    let (writer, chunks) = streams::outgoing();
    let write = move || {
        let end = writer.end();
        if let Err(error) = view.export_jsonl(writer, |_| {}) {
            end.fail(error.to_string());
        }
        drop(tenant);
    };
    app.streams.start(app.deadline(), write).await?;
    Ok(chunks)
}
