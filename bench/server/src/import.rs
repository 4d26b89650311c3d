//! A durable stream of vectors into a new collection, beside the same batches embedded.

use aethervec::AetherDB;
use serde_json::json;

use crate::clock::{Took, cpu_seconds};
use crate::protocol::Result;
use crate::search::connect;
use crate::set::{NAME, Set};
use crate::target::Target;
use crate::{Options, runtime};

/// Documents of an embedded batch: as many as the client sends at once.
const BATCH: usize = 1_000;

pub fn run(options: &Options) -> Result<()> {
    let set = Set::read(options)?;
    let rows = set.base.rows();
    let dir = options.work.join("import");
    let embedded = {
        let db = AetherDB::open(dir.join("embedded"))?;
        let collection = db.create_collection_with(NAME, set.schema().clone())?;
        let (done, took) = Took::of(|| -> Result<()> {
            for start in (0..rows).step_by(BATCH) {
                let batch = start..rows.min(start + BATCH);
                collection.upsert_batch(batch.map(|row| set.document(row)).collect())?;
            }
            Ok(())
        });
        done?;
        drop(collection);
        db.close()?;
        took.wall_s
    };
    let target = Target::start(&dir.join("served"))?;
    let (server_cpu, client_cpu) = (target.cpu_seconds(), cpu_seconds());
    let runtime = runtime(true)?;
    let served = runtime.block_on(async {
        let client = connect(&target).await?;
        let remote = client.create_collection(NAME, set.schema()).await?;
        let begin = crate::clock::now();
        let mut import = remote.importer();
        for row in 0..rows {
            import.send(set.document(row)).await?;
        }
        let written = import.finish().await?;
        let took = begin.elapsed().as_secs_f64();
        match written.inserted == rows && remote.count().await? == rows as u64 {
            true => Ok::<f64, Box<dyn std::error::Error>>(took),
            false => Err(format!("{written:?} of {rows}").into()),
        }
    })?;
    let line = json!({
        "part": "import", "set": options.set, "rows": rows,
        "embedded_per_s": rows as f64 / embedded, "grpc_per_s": rows as f64 / served,
        "server_cpu_s": target.cpu_seconds() - server_cpu, "client_cpu_s": cpu_seconds() - client_cpu,
    });
    println!("{line}");
    target.stop()
}
