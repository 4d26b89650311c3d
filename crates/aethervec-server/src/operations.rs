//! Long operations: begun by one request, looked after by others.
//!
//! An operation runs on a thread of its own kind (the turns of streams), and its tenant stays open as long. What became of the
//! latest ones is remembered until the server ends.

use crate::app::App;
use crate::auth::Action;
use crate::call::Call;
use crate::engine::Deadline;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenants::{Tenant, TenantName};
use crate::wire::operations::{BeginOperation, Operation, Progress, State};
use aethervec::Uuid;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Operations that are remembered, those under way included.
const REMEMBERED_MAX: usize = 256;

/// How often an operation that waits looks up.
const LOOK: Duration = Duration::from_millis(50);

/// All operations of a server, the oldest first.
#[derive(Debug, Default)]
pub struct Operations(Mutex<VecDeque<Arc<Entry>>>);

#[derive(Debug)]
struct Entry {
    id: Uuid,
    tenant: TenantName,
    begin: BeginOperation,
    state: Mutex<(State, Progress, Value)>,
    cancelled: AtomicBool,
}

impl Operations {
    /// Begins an operation.
    ///
    /// # Errors
    /// [`ApiErrorKind::Overloaded`] when too many are under way; when what it is about is not there.
    pub(crate) async fn begin(
        app: &App,
        call: Call,
        begin: BeginOperation,
    ) -> ApiResult<Operation> {
        let entry = Arc::new(Entry {
            id: Uuid::new_v4(),
            tenant: call.tenant.name.clone(),
            begin,
            state: Mutex::new((State::Running, Progress::default(), Value::Null)),
            cancelled: AtomicBool::new(false),
        });
        app.operations.remember(&entry)?;
        let run = {
            let entry = Arc::clone(&entry);
            move || entry.run(&call)
        };
        // It has its turn at once, or not at all.
        let begun = app.streams.start(Deadline::after(LOOK), run).await;
        if let Err(error) = begun {
            app.operations.forget(entry.id);
            return Err(error);
        }
        Ok(entry.operation())
    }

    /// Those of a tenant, the oldest first.
    pub(crate) fn list(&self, tenant: &TenantName) -> Vec<Operation> {
        let entries = self.0.lock();
        let entries = entries.iter().filter(|entry| entry.tenant == *tenant);
        entries.map(|entry| entry.operation()).collect()
    }

    /// The one called `id`.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none.
    pub(crate) fn get(&self, tenant: &TenantName, id: Uuid) -> ApiResult<Operation> {
        Ok(self.find(tenant, id)?.operation())
    }

    /// Calls an operation off. It ends soon, unless it is past that.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none.
    pub(crate) fn cancel(&self, tenant: &TenantName, id: Uuid) -> ApiResult<Operation> {
        let entry = self.find(tenant, id)?;
        entry.cancelled.store(true, Ordering::Relaxed);
        Ok(entry.operation())
    }

    /// Calls off all that can be: the server ends.
    pub(crate) fn cancel_all(&self) {
        for entry in &*self.0.lock() {
            entry.cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn find(&self, tenant: &TenantName, id: Uuid) -> ApiResult<Arc<Entry>> {
        let entries = self.0.lock();
        let found = entries
            .iter()
            .find(|entry| entry.id == id && entry.tenant == *tenant);
        found
            .cloned()
            .ok_or_else(|| ApiError::not_found(format!("operation {id} does not exist")))
    }

    fn remember(&self, entry: &Arc<Entry>) -> ApiResult<()> {
        let mut entries = self.0.lock();
        if entries.len() >= REMEMBERED_MAX {
            let ended = entries.iter().position(|entry| !entry.is_running());
            let oldest = ended.ok_or_else(|| {
                ApiError::new(
                    ApiErrorKind::Overloaded,
                    format!("{REMEMBERED_MAX} operations are under way, as many as may"),
                )
            })?;
            entries.remove(oldest);
        }
        entries.push_back(Arc::clone(entry));
        Ok(())
    }

    fn forget(&self, id: Uuid) {
        self.0.lock().retain(|entry| entry.id != id);
    }
}

impl Entry {
    fn run(&self, call: &Call) {
        let done = match &self.begin {
            BeginOperation::Check {} => self.check(&call.tenant),
            BeginOperation::Reclaim {} => {
                let reclaimed = call.tenant.db.reclaim_while(&|| self.goes_on());
                reclaimed.map(|_| Value::Null).map_err(ApiError::from)
            }
            BeginOperation::Index { collection } => self.index(call, collection),
        };
        let mut state = self.state.lock();
        (state.0, state.2) = match done {
            Ok(_) if self.cancelled.load(Ordering::Relaxed) => (State::Cancelled, Value::Null),
            Ok(result) => (State::Done, result),
            Err(error) => (
                State::Failed,
                json!({"kind": error.kind, "message": error.message}),
            ),
        };
    }

    /// Reads everything and compares.
    fn check(&self, tenant: &Tenant) -> ApiResult<Value> {
        let report = tenant.db.check_while(&|| self.goes_on())?;
        let problems = report.problems.iter().map(ToString::to_string);
        let collections = report.collections.iter().map(|collection| {
            json!({
                "name": collection.name,
                "documents": collection.documents,
                "points": collection.points,
            })
        });
        Ok(json!({
            "problems": problems.collect::<Vec<_>>(),
            "collections": collections.collect::<Vec<_>>(),
        }))
    }

    /// Waits until nothing waits for the index any more.
    fn index(&self, call: &Call, name: &str) -> ApiResult<Value> {
        let collection = call.collection(Action::Read, name)?;
        loop {
            let status = collection.index_status();
            self.state.lock().1 = Progress {
                done: status.indexed + status.scanned,
                left: status.pending,
            };
            if status.pending == 0 {
                return Ok(json!({"indexed": status.indexed, "scanned": status.scanned}));
            }
            if let Some(error) = status.error {
                return Err(ApiError::new(ApiErrorKind::Internal, error));
            }
            if !self.goes_on() {
                return Ok(Value::Null);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Nobody has called it off.
    fn goes_on(&self) -> bool {
        !self.cancelled.load(Ordering::Relaxed)
    }

    fn is_running(&self) -> bool {
        self.state.lock().0 == State::Running
    }

    fn operation(&self) -> Operation {
        let (state, progress, result) = self.state.lock().clone();
        Operation {
            id: self.id.to_string(),
            operation: self.begin.clone(),
            state,
            progress,
            result,
        }
    }
}
