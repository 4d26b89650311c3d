//! Requests as the engine sees them: which tenant, who calls, and which state is read or which transaction is written in.
//!
//! Everything here blocks: it is called within [`Gate::run`](crate::engine::Gate::run).

use crate::auth::{Action, Caller};
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::observe::metrics::TransactionEnd;
use crate::observe::request;
use crate::sessions::{OpenTransaction, SAVEPOINTS_MAX};
use crate::tenants::Tenant;
use aethervec::{
    AsOf, Collection, CollectionView, ErrorKind, Isolation, Outcome, SeqNo, Timestamp, Transaction,
    Write,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Which state a request reads, or which transaction it is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The newest.
    #[default]
    Now,
    /// What an open transaction sees; writes become part of it.
    Transaction(Uuid),
    /// What a snapshot holds.
    Snapshot(Uuid),
    /// A moment of the past.
    Past(AsOf),
}

/// A request of somebody to a tenant.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which one.
    pub tenant: Arc<Tenant>,
    /// Who calls.
    pub caller: Caller,
    /// Which state is meant.
    pub at: At,
}

impl At {
    /// What the parameters of a request say: at most one of them.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when there are several, or one cannot be read.
    pub fn parse(
        transaction: Option<&str>,
        snapshot: Option<&str>,
        as_of: Option<&str>,
    ) -> ApiResult<At> {
        match (transaction, snapshot, as_of) {
            (None, None, None) => Ok(At::Now),
            (Some(id), None, None) => Ok(At::Transaction(session_id("transaction", id)?)),
            (None, Some(id), None) => Ok(At::Snapshot(session_id("snapshot", id)?)),
            (None, None, Some(moment)) => Ok(At::Past(parse_moment(moment)?)),
            _ => Err(ApiError::invalid(
                "transaction, snapshot, as_of: only one of them can be given",
            )),
        }
    }
}

impl Call {
    /// The collection called `name`, or that an alias of this name stands for, if the caller may do this to it.
    ///
    /// # Errors
    /// Those of [`Caller::allow`] and of [`AetherDB::collection`](aethervec::AetherDB::collection).
    pub fn collection(&self, action: Action, name: &str) -> ApiResult<Collection> {
        let found = self.tenant.db.collection(name);
        // Who may not look must not learn whether there is one.
        let name = found.as_ref().map_or(name, Collection::name);
        self.caller.allow(action, &self.tenant.name, Some(name))?;
        Ok(found?)
    }

    /// The names of the collections that the caller may see.
    ///
    /// # Errors
    /// When the caller may not read.
    pub fn collections(&self) -> ApiResult<Vec<String>> {
        self.caller.allow_within(Action::Read, &self.tenant.name)?;
        let names = self.tenant.db.collections().into_iter();
        let names = names.map(|info| info.name);
        Ok(names.filter(|name| self.caller.sees(name)).collect())
    }

    /// Aliases, with the collections that they stand for, of those that the caller may see.
    ///
    /// # Errors
    /// When the caller may not read.
    pub fn aliases(&self) -> ApiResult<BTreeMap<String, String>> {
        self.caller.allow_within(Action::Read, &self.tenant.name)?;
        let mut aliases = self.tenant.db.aliases();
        aliases.retain(|_, name| self.caller.sees(name));
        Ok(aliases)
    }

    /// Asks for the right to read these collections, too.
    ///
    /// # Errors
    /// Those of [`Caller::allow`].
    pub fn allow_reading<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> ApiResult<()> {
        let mut names = names.into_iter();
        names.try_for_each(|name| self.tenant.allow(&self.caller, Action::Read, name))
    }

    /// Reads a collection: `now` when the newest state is meant, else `then`.
    ///
    /// # Errors
    /// As [`collection`](Call::collection); when the state that is meant is not there; those of the reader.
    pub fn read<T>(
        &self,
        name: &str,
        now: impl FnOnce(&Collection) -> aethervec::Result<T>,
        then: impl FnOnce(&CollectionView) -> aethervec::Result<T>,
    ) -> ApiResult<T> {
        let collection = self.collection(Action::Read, name)?;
        if self.at == At::Now {
            return Ok(now(&collection)?);
        }
        Ok(then(&self.view_of(&collection)?)?)
    }

    /// A view of a collection, at the state that is meant.
    ///
    /// # Errors
    /// As [`read`](Call::read).
    pub fn view(&self, name: &str) -> ApiResult<CollectionView> {
        self.view_of(&self.collection(Action::Read, name)?)
    }

    /// Writes to a collection: `now`, or `within` the transaction that is meant.
    ///
    /// # Errors
    /// As [`collection`](Call::collection); [`ApiErrorKind::Invalid`] when a past state is meant;
    /// those of the writer.
    pub fn write<T>(
        &self,
        name: &str,
        now: impl FnOnce(&Collection) -> aethervec::Result<T>,
        within: impl FnOnce(&mut Transaction, &Collection) -> aethervec::Result<T>,
    ) -> ApiResult<T> {
        let collection = self.collection(Action::Write, name)?;
        match self.at {
            At::Now => Ok(now(&collection)?),
            At::Transaction(id) => {
                self.within(id, |open| Ok(within(&mut open.transaction, &collection)?))
            }
            At::Snapshot(_) | At::Past(_) => Err(past()),
        }
    }

    /// Makes writes, all or none: now, or within the transaction that is meant.
    ///
    /// # Errors
    /// As [`write`](Call::write).
    pub fn apply(&self, name: &str, writes: Vec<Write>) -> ApiResult<Vec<Outcome>> {
        let (given, most) = (writes.len(), self.tenant.batch_size);
        if given > most {
            return Err(ApiError::new(
                ApiErrorKind::TooLarge,
                format!("{given} documents: a request may write {most} (batch_size)"),
            ));
        }
        let collection = self.collection(Action::Write, name)?;
        self.tenant.room_for(&collection, &writes)?;
        let outcomes = match self.at {
            At::Now => collection.apply_batch(writes)?,
            At::Transaction(id) => self.within(id, |open| {
                Ok(open.transaction.apply_batch(&collection, writes)?)
            })?,
            At::Snapshot(_) | At::Past(_) => return Err(past()),
        };
        request::applied(&outcomes);
        Ok(outcomes)
    }

    /// Begins a transaction: its id, and the moment that it reads.
    ///
    /// # Errors
    /// When the caller may not read, or too many are open.
    pub fn begin(&self, isolation: Isolation) -> ApiResult<(Uuid, SeqNo)> {
        self.caller.allow_within(Action::Read, &self.tenant.name)?;
        let transaction = self.tenant.db.begin_with(isolation)?;
        let seq = transaction.snapshot().seq();
        let open = OpenTransaction {
            transaction,
            savepoints: BTreeMap::new(),
            timer: request::transaction_begun(),
        };
        let transactions = &self.tenant.sessions.transactions;
        let id = transactions.keep(Mutex::new(Some(open)), &self.caller.name)?;
        Ok((id, seq))
    }

    /// Commits a transaction: its place in the order of all writes. Whatever comes of it, it is ended.
    ///
    /// # Errors
    /// Those of [`Transaction::commit`]; when there is no such transaction.
    pub fn commit(&self, id: Uuid) -> ApiResult<SeqNo> {
        match self.end(id)? {
            Some(open) => {
                let committed = open.transaction.commit();
                let end = match &committed {
                    Ok(_) => TransactionEnd::Committed,
                    Err(error) if error.kind() == ErrorKind::Conflict => TransactionEnd::Conflict,
                    Err(_) => TransactionEnd::Failed,
                };
                open.timer.end(end);
                Ok(committed?)
            }
            None => Err(ended(id)),
        }
    }

    /// Ends a transaction; nothing of it stays.
    ///
    /// # Errors
    /// When there is no such transaction.
    pub fn roll_back(&self, id: Uuid) -> ApiResult<()> {
        if let Some(open) = self.end(id)? {
            open.timer.end(TransactionEnd::RolledBack);
        }
        Ok(())
    }

    /// Notes this place in a transaction under `name`, in place of an earlier one of that name.
    ///
    /// # Errors
    /// When there is no such transaction, or it has too many savepoints.
    pub fn savepoint(&self, id: Uuid, name: &str) -> ApiResult<()> {
        self.within(id, |open| {
            if open.savepoints.len() >= SAVEPOINTS_MAX && !open.savepoints.contains_key(name) {
                return Err(ApiError::invalid(format!(
                    "savepoint: the transaction has {SAVEPOINTS_MAX}, as many as may"
                )));
            }
            let savepoint = open.transaction.savepoint();
            open.savepoints.insert(name.to_owned(), savepoint);
            Ok(())
        })
    }

    /// Takes back what a transaction has written since the savepoint called `name`.
    ///
    /// # Errors
    /// When there is no such transaction or savepoint.
    pub fn roll_back_to(&self, id: Uuid, name: &str) -> ApiResult<()> {
        self.within(id, |open| {
            let savepoint = open
                .savepoints
                .get(name)
                .ok_or_else(|| ApiError::not_found(format!("savepoint {name:?} does not exist")))?;
            open.transaction.rollback_to(savepoint);
            Ok(())
        })
    }

    /// Holds the present state: its id, and its place in the order of all writes.
    ///
    /// # Errors
    /// When the caller may not read, or too many are held.
    pub fn hold(&self) -> ApiResult<(Uuid, SeqNo)> {
        self.caller.allow_within(Action::Read, &self.tenant.name)?;
        let snapshot = self.tenant.db.snapshot();
        let seq = snapshot.seq();
        let id = self
            .tenant
            .sessions
            .snapshots
            .keep(snapshot, &self.caller.name)?;
        Ok((id, seq))
    }

    /// Gives a snapshot up.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn release(&self, id: Uuid) -> ApiResult<()> {
        let snapshots = &self.tenant.sessions.snapshots;
        snapshots.take(id, &self.caller.name).map(drop)
    }

    fn view_of(&self, collection: &Collection) -> ApiResult<CollectionView> {
        match self.at {
            At::Now => Ok(collection.view()?),
            At::Transaction(id) => self.within(id, |open| Ok(open.transaction.view(collection)?)),
            At::Snapshot(id) => {
                let snapshots = &self.tenant.sessions.snapshots;
                let snapshot = snapshots.get(id, &self.caller.name)?;
                Ok(collection.at(&snapshot)?)
            }
            At::Past(moment) => {
                let snapshot = self.tenant.db.as_of(moment)?;
                Ok(collection.at(&snapshot)?)
            }
        }
    }

    fn within<T>(
        &self,
        id: Uuid,
        work: impl FnOnce(&mut OpenTransaction) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let transactions = &self.tenant.sessions.transactions;
        let open = transactions.get(id, &self.caller.name)?;
        let mut open = open.lock();
        work(open.as_mut().ok_or_else(|| ended(id))?)
    }

    fn end(&self, id: Uuid) -> ApiResult<Option<OpenTransaction>> {
        let transactions = &self.tenant.sessions.transactions;
        let open = transactions.take(id, &self.caller.name)?;
        Ok(open.lock().take())
    }
}

/// The id of a transaction or a snapshot.
///
/// # Errors
/// [`ApiErrorKind::Invalid`] when `text` is none.
pub fn session_id(field: &str, text: &str) -> ApiResult<Uuid> {
    Uuid::parse_str(text).map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        ApiError::invalid(format!("{field}: {shown:?} is no id"))
    })
}

/// A sequence number, or a time in RFC 3339.
fn parse_moment(text: &str) -> ApiResult<AsOf> {
    if let Ok(seq) = text.parse() {
        return Ok(AsOf::Seq(SeqNo(seq)));
    }
    let time: Timestamp = text.parse().map_err(|error| {
        ApiError::invalid(format!(
            "as_of: neither a sequence number nor a time: {error}"
        ))
    })?;
    Ok(AsOf::from(time))
}

fn past() -> ApiError {
    ApiError::invalid("snapshot, as_of: the past can be read, and not written")
}

fn ended(id: Uuid) -> ApiError {
    ApiError::not_found(format!("transaction {id} has ended"))
}
