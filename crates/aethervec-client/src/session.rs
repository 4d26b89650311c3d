//! Transactions and snapshots: states that the server holds for a client.

use crate::call::{Caller, Rpc};
use crate::collection::Collection;
use crate::error::Result;
use aethervec::SeqNo;
use aethervec_proto::v1;

/// An open transaction. Cheap to clone; all clones are the same one.
///
/// Its collections read the moment at which it began and what it has written itself; others see its writes when it has
/// committed. One that nobody uses for a while is rolled back by the server.
#[derive(Clone, Debug)]
#[must_use = "it writes nothing until it is committed"]
pub struct Transaction {
    caller: Caller,
    id: String,
    seq: SeqNo,
}

impl Transaction {
    pub(crate) fn new(caller: Caller, id: String, seq: SeqNo) -> Transaction {
        Transaction { caller, id, seq }
    }

    /// The moment that it reads: its place in the order of all writes.
    pub fn seq(&self) -> SeqNo {
        self.seq
    }

    /// The collection called `name`, read and written within this transaction.
    pub fn collection(&self, name: &str) -> Collection {
        let at = v1::at::Moment::Transaction(self.id.clone());
        Collection::new(self.caller.clone(), name, Some(at))
    }

    /// Commits it: its place in the order of all writes. Whatever comes of it, it is ended.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when another one came first;
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it has ended already.
    pub async fn commit(self) -> Result<SeqNo> {
        let commit = v1::TransactionRequest { id: self.id };
        let send = |mut rpc: Rpc, request| async move { rpc.commit(request).await };
        Ok(SeqNo(self.caller.write(commit, send).await?.seq))
    }

    /// Ends it; nothing of it stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it has ended already.
    pub async fn roll_back(self) -> Result<()> {
        let end = v1::TransactionRequest { id: self.id };
        let send = |mut rpc: Rpc, request| async move { rpc.rollback(request).await };
        self.caller.write(end, send).await?;
        Ok(())
    }
}

/// A state that the server holds. It is given up when nobody has read it for a while.
#[derive(Clone, Debug)]
pub struct Snapshot {
    caller: Caller,
    id: String,
    seq: SeqNo,
}

impl Snapshot {
    pub(crate) fn new(caller: Caller, id: String, seq: SeqNo) -> Snapshot {
        Snapshot { caller, id, seq }
    }

    /// Its place in the order of all writes.
    pub fn seq(&self) -> SeqNo {
        self.seq
    }

    /// The collection called `name`, as it was then.
    pub fn collection(&self, name: &str) -> Collection {
        let at = v1::at::Moment::Snapshot(self.id.clone());
        Collection::new(self.caller.clone(), name, Some(at))
    }

    /// Gives it up.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the server has done so already.
    pub async fn release(self) -> Result<()> {
        let release = v1::ReleaseRequest { id: self.id };
        let send = |mut rpc: Rpc, request| async move { rpc.release(request).await };
        self.caller.write(release, send).await?;
        Ok(())
    }
}
