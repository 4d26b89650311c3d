//! Collections, aliases and payload indexes.

use super::strict::Strict;
use super::{collection, permit};
use crate::qdrant::access::Access;
use crate::qdrant::convert::{self, Declared};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    AliasAction, AliasDescription, AliasesResponse, ChangeAliases, CollectionDescription,
    CollectionInfo, CollectionsResponse, CreateCollection, CreateFieldIndex, CreateVectorName,
    Exists, UpdateCollection, UpdateResult,
};
use crate::qdrant::service::updates::{Wait, done};
use aethervec::{AetherDB, AliasChange, Collection, ErrorKind, VectorField};

pub(crate) fn list(db: &Access<'_>) -> Result<CollectionsResponse> {
    let names = db.collections().into_iter();
    Ok(CollectionsResponse {
        collections: names
            .filter(|info| db.sees(&info.name))
            .map(|info| CollectionDescription { name: info.name })
            .collect(),
    })
}

pub(crate) fn exists(db: &AetherDB, name: &str) -> Result<Exists> {
    match db.describe(name) {
        Ok(_) => Ok(Exists { exists: true }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Exists { exists: false }),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn info(db: &AetherDB, name: &str) -> Result<CollectionInfo> {
    convert::info(&collection(db, name)?)
}

pub(crate) fn create(db: &AetherDB, name: &str, create: CreateCollection) -> Result<bool> {
    let schema = convert::new_collection(create)?;
    match db.create_collection_with(name, schema) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Exists => Err(Failure::exists(format!(
            "Collection `{name}` already exists!"
        ))),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn update(db: &AetherDB, name: &str, update: UpdateCollection) -> Result<bool> {
    let collection = collection(db, name)?;
    for name in update.vectors.iter().flatten().map(|(name, _)| name) {
        if !collection.schema().fields.contains_key(name) {
            return Err(Failure::wrong(format!(
                "Not existing vector name error: {name}"
            )));
        }
    }
    for (name, params) in update.sparse_vectors.iter().flatten() {
        let is_given = params.get("modifier").is_some();
        let new = VectorField::from(convert::new_sparse_field(params)?);
        if is_given && collection.schema().fields.get(name) != Some(&new) {
            return Err(Failure::unsupported(format!(
                "another modifier for the sparse vector `{name}`"
            )));
        }
    }
    declare(&collection, |declared, rest| declared.update(update, rest))?;
    Ok(true)
}

/// False when there is none.
pub(crate) fn delete(db: &AetherDB, name: &str) -> Result<bool> {
    match db.drop_collection(name) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn aliases(db: &Access<'_>) -> Result<AliasesResponse> {
    let aliases = db.aliases().into_iter();
    Ok(described(aliases.filter(|(_, name)| db.sees(name))))
}

pub(crate) fn aliases_of(db: &AetherDB, name: &str) -> Result<AliasesResponse> {
    let own = collection(db, name)?;
    let aliases = db.aliases().into_iter();
    Ok(described(aliases.filter(|(_, name)| name == own.name())))
}

fn described(aliases: impl IntoIterator<Item = (String, String)>) -> AliasesResponse {
    let describe = |(alias_name, collection_name)| AliasDescription {
        alias_name,
        collection_name,
    };
    AliasesResponse {
        aliases: aliases.into_iter().map(describe).collect(),
    }
}

/// All changes are made at one moment, or none.
pub(crate) fn change_aliases(db: &AetherDB, request: ChangeAliases) -> Result<bool> {
    let change = |action| match action {
        AliasAction::CreateAlias {
            collection_name: collection,
            alias_name: alias,
        } => AliasChange::Set { alias, collection },
        AliasAction::DeleteAlias { alias_name: alias } => AliasChange::Remove { alias },
        AliasAction::RenameAlias {
            old_alias_name: from,
            new_alias_name: to,
        } => AliasChange::Rename { from, to },
    };
    let changes: Vec<AliasChange> = request.actions.into_iter().map(change).collect();
    db.change_aliases(&changes)?;
    Ok(true)
}

/// An index of another type for the same key gives way.
pub(crate) fn create_index(
    db: &AetherDB,
    name: &str,
    create: CreateFieldIndex,
    wait: Wait,
) -> Result<UpdateResult> {
    let collection = collection(db, name)?;
    permit(&collection, Strict::new_index)?;
    let index = convert::new_index(create)?;
    let others = collection.payload_indexes().into_iter();
    for other in others.filter(|other| other.path == index.path && other.kind != index.kind) {
        collection.drop_payload_index(other.path, other.kind)?;
    }
    collection.create_payload_index(index.path.clone(), index.kind)?;
    declare(&collection, |declared, _| {
        let key = index.path.to_string();
        match index.params {
            Some(params) => declared.indexes.insert(key, params),
            None => declared.indexes.remove(&key),
        };
        Ok(())
    })?;
    if wait == Wait::Yes {
        collection.wait_payload_indexes()?;
    }
    Ok(done(db, wait))
}

pub(crate) fn delete_index(
    db: &AetherDB,
    name: &str,
    key: &str,
    wait: Wait,
) -> Result<UpdateResult> {
    let collection = collection(db, name)?;
    let path = convert::path(key)?;
    let indexes = collection.payload_indexes().into_iter();
    for index in indexes.filter(|index| index.path == path) {
        collection.drop_payload_index(index.path, index.kind)?;
    }
    declare(&collection, |declared, _| {
        declared.indexes.remove(&path.to_string());
        Ok(())
    })?;
    Ok(done(db, wait))
}

pub(crate) fn create_vector(
    db: &AetherDB,
    name: &str,
    vector: &str,
    create: CreateVectorName,
) -> Result<UpdateResult> {
    let collection = collection(db, name)?;
    let (declared, _) = Declared::split(&collection.schema().metadata);
    match (create.dense, create.sparse) {
        (Some(params), None) => {
            let field = convert::new_field(vector, &params, &declared.hnsw_config)?;
            let extras = convert::extras(params)?;
            collection.add_vector_field(vector, field)?;
            declare(&collection, |declared, _| {
                declared.vectors.insert(vector.to_owned(), extras);
                Ok(())
            })?;
        }
        (None, Some(params)) => {
            collection.add_vector_field(vector, convert::new_sparse_field(&params)?)?;
            declare(&collection, |declared, _| {
                declared.sparse_vectors.insert(vector.to_owned(), params);
                Ok(())
            })?;
        }
        _ => return Err(Failure::format("expected either `dense` or `sparse`")),
    }
    Ok(done(db, Wait::Yes))
}

pub(crate) fn delete_vector(db: &AetherDB, name: &str, vector: &str) -> Result<UpdateResult> {
    let collection = collection(db, name)?;
    collection.drop_vector_field(vector)?;
    declare(&collection, |declared, _| {
        declared.vectors.remove(vector);
        declared.sparse_vectors.remove(vector);
        Ok(())
    })?;
    Ok(done(db, Wait::Yes))
}

/// Changes what is declared of a collection, and the user's metadata. Of two such changes at once the last one counts.
fn declare(
    collection: &Collection,
    change: impl FnOnce(&mut Declared, &mut crate::qdrant::model::Object) -> Result<()>,
) -> Result<()> {
    let before = collection.schema();
    let (mut declared, mut rest) = Declared::split(&before.metadata);
    change(&mut declared, &mut rest)?;
    let metadata = declared.join(rest)?;
    if metadata != before.metadata {
        collection.set_metadata(metadata)?;
    }
    Ok(())
}
