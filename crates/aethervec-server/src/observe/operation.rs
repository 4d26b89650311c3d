//! Protocols, operations and outcomes: the labels of figures. Closed sets, so that a client cannot make new series.

use axum::http::{HeaderMap, Method, StatusCode};
use tonic::Code;

/// Makes an enum whose members have names, and are numbered.
macro_rules! labels {
    ($(#[doc = $doc:literal])+ $kind:ident { $($(#[doc = $member_doc:literal])+ $member:ident = $name:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $kind {
            $($(#[doc = $member_doc])+ $member,)+
        }

        impl $kind {
            /// All of them.
            pub(crate) const ALL: &'static [$kind] = &[$($kind::$member,)+];

            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// Its name, as a label.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $($kind::$member => $name,)+
                }
            }
        }
    };
}

labels! {
    /// How a request came: a port each.
    Protocol {
        /// The native API, JSON.
        Rest = "rest",
        /// The native API, messages.
        Grpc = "grpc",
        /// The Qdrant-compatible API, JSON.
        QdrantRest = "qdrant_rest",
        /// The Qdrant-compatible API, messages.
        QdrantGrpc = "qdrant_grpc",
        /// The port of the metrics.
        Metrics = "metrics",
    }
}

labels! {
    /// What a request is about, in whatever protocol.
    Operation {
        /// What is near to a vector.
        Search = "search",
        /// Several searches at once.
        SearchBatch = "search_batch",
        /// A query of several stages.
        Query = "query",
        /// Several queries at once.
        QueryBatch = "query_batch",
        /// Hits by a value of their payload.
        QueryGroups = "query_groups",
        /// Frequent values of a payload field.
        Facet = "facet",
        /// Distances within a sample.
        Matrix = "matrix",
        /// How a search is answered.
        Explain = "explain",
        /// Groups, a facet, a matrix or an explanation, over gRPC.
        Ask = "ask",
        /// Documents by their ids.
        Get = "get",
        /// Documents in order.
        Scroll = "scroll",
        /// How many documents there are.
        Count = "count",
        /// Documents written.
        Upsert = "upsert",
        /// Writes of several kinds.
        Write = "write",
        /// Parts of documents changed.
        Patch = "patch",
        /// Documents removed.
        Delete = "delete",
        /// A whole collection in.
        Import = "import",
        /// A whole collection out.
        Export = "export",
        /// Collections described or listed.
        Describe = "describe",
        /// Collections, their fields, indexes and aliases made, changed or dropped.
        Manage = "manage",
        /// Transactions begun, committed, rolled back.
        Transaction = "transaction",
        /// Snapshots taken and given up.
        Snapshot = "snapshot",
        /// Long operations.
        Background = "operation",
        /// Tenants listed, made or dropped.
        Tenant = "tenant",
        /// Health and readiness.
        Health = "health",
        /// Figures.
        Figures = "figures",
        /// Anything else: descriptions, pages, what is not known.
        Other = "other",
    }
}

labels! {
    /// What came of a request.
    Outcome {
        /// It was answered.
        Ok = "ok",
        /// It has to be mended.
        Invalid = "invalid",
        /// Nobody knows who asked.
        Unauthenticated = "unauthenticated",
        /// Who asked may not.
        Forbidden = "forbidden",
        /// What it names is not there.
        NotFound = "not_found",
        /// What it would make is there, or another one came first.
        Conflict = "conflict",
        /// It is larger than may be.
        TooLarge = "too_large",
        /// Too much is under way.
        Overloaded = "overloaded",
        /// It was too late.
        Deadline = "deadline",
        /// The server cannot now.
        Unavailable = "unavailable",
        /// The server does not do that.
        Unsupported = "unsupported",
        /// The operator has to look.
        Internal = "internal",
    }
}

impl Operation {
    /// Whether it reads documents: what `vector_db_query_duration_seconds` is about.
    pub(crate) fn is_query(self) -> bool {
        use Operation::{
            Ask, Count, Explain, Facet, Get, Matrix, Query, QueryBatch, QueryGroups, Scroll,
            Search, SearchBatch,
        };
        matches!(
            self,
            Search
                | SearchBatch
                | Query
                | QueryBatch
                | QueryGroups
                | Facet
                | Matrix
                | Explain
                | Ask
                | Get
                | Scroll
                | Count
        )
    }

    /// That of a request. `route`: the path with names in braces, as the router has it; for gRPC the path itself.
    pub(crate) fn of(protocol: Protocol, method: &Method, route: &str) -> Operation {
        match protocol {
            Protocol::Rest => rest(method, route),
            Protocol::Metrics => rest(method, route),
            Protocol::QdrantRest => qdrant_rest(method, route),
            Protocol::Grpc | Protocol::QdrantGrpc => grpc(route),
        }
    }
}

/// Of the native API's paths.
fn rest(method: &Method, route: &str) -> Operation {
    use Operation::*;
    let below = route.strip_prefix("/v1").unwrap_or(route);
    let below = below.strip_prefix("/tenants/{tenant}").unwrap_or(below);
    let reads = *method == Method::GET;
    let describe = if reads { Describe } else { Manage };
    match below.strip_prefix("/collections/{collection}") {
        Some("" | "/" | "/fields" | "/indexes") => describe,
        Some("/documents") => Upsert,
        Some("/documents/{id}") => match *method {
            Method::GET => Get,
            Method::PATCH => Patch,
            _ => Delete,
        },
        Some("/writes") => Write,
        Some("/patch") => Patch,
        Some("/delete") => Delete,
        Some("/get") => Get,
        Some("/scroll") => Scroll,
        Some("/count") => Count,
        Some("/search") => Search,
        Some("/search/batch") => SearchBatch,
        Some("/explain") => Explain,
        Some("/query") => Query,
        Some("/query/batch") => QueryBatch,
        Some("/query/groups") => QueryGroups,
        Some("/facet") => Facet,
        Some("/matrix") => Matrix,
        Some("/import") => Import,
        Some("/export") => Export,
        Some(_) => Other,
        None => match below {
            "/query" => Search,
            "/vectors" => Upsert,
            "/collections" => Describe,
            "/aliases" => describe,
            "/tenants" | "/tenants/{name}" => Tenant,
            "/health" | "/livez" | "/readyz" => Health,
            "/metrics" | "/stats" | "/slow-queries" => Figures,
            _ if below.starts_with("/transactions") => Transaction,
            _ if below.starts_with("/snapshots") => Snapshot,
            _ if below.starts_with("/operations") => Background,
            _ if below.starts_with("/quotas") => Tenant,
            _ => Other,
        },
    }
}

/// Of the paths of the Qdrant-compatible API.
fn qdrant_rest(method: &Method, route: &str) -> Operation {
    use Operation::*;
    let reads = *method == Method::GET;
    let describe = if reads { Describe } else { Manage };
    let Some(below) = route.strip_prefix("/collections/{name}") else {
        return match route {
            "/collections" | "/aliases" => Describe,
            "/collections/aliases" => Manage,
            "/healthz" | "/livez" | "/readyz" => Health,
            "/metrics" => Figures,
            _ if route.contains("snapshots") => Snapshot,
            _ => Other,
        };
    };
    if below.starts_with("/snapshots") {
        return Snapshot;
    }
    match below {
        "/facet" => Facet,
        "/points" if *method == Method::PUT => Upsert,
        "/points" | "/points/{id}" => Get,
        "/points/scroll" => Scroll,
        "/points/count" => Count,
        "/points/delete" => Delete,
        "/points/batch" => Write,
        "/points/query" | "/points/recommend" | "/points/discover" => Query,
        "/points/query/batch" | "/points/recommend/batch" | "/points/discover/batch" => QueryBatch,
        "/points/query/groups" | "/points/search/groups" | "/points/recommend/groups" => {
            QueryGroups
        }
        "/points/search" => Search,
        "/points/search/batch" => SearchBatch,
        "/points/search/matrix/pairs" | "/points/search/matrix/offsets" => Matrix,
        _ if below.starts_with("/points/payload") || below.starts_with("/points/vectors") => Patch,
        _ => describe,
    }
}

/// Of the calls of all services: their names say what they are about.
fn grpc(path: &str) -> Operation {
    use Operation::*;
    let (service, call) = path.rsplit_once('/').unwrap_or_default();
    match call {
        "Search" => Search,
        "SearchBatch" => SearchBatch,
        "Query" | "Recommend" | "Discover" => Query,
        "QueryBatch" | "RecommendBatch" | "DiscoverBatch" => QueryBatch,
        "QueryGroups" | "SearchGroups" | "RecommendGroups" => QueryGroups,
        "Facet" => Facet,
        "SearchMatrixPairs" | "SearchMatrixOffsets" => Matrix,
        "Ask" => Ask,
        "Get" if service.ends_with("Collections") => Describe,
        "Get" => Get,
        "Scroll" => Scroll,
        "Count" => Count,
        "Put" | "Insert" | "InsertBatch" | "Upsert" | "UpsertStream" => Upsert,
        "Apply" | "UpdateBatch" => Write,
        "Delete" if service.ends_with("Collections") => Manage,
        "Delete" => Delete,
        "PatchBy" | "SetPayload" | "OverwritePayload" | "DeletePayload" | "ClearPayload"
        | "UpdateVectors" | "DeleteVectors" => Patch,
        "Import" => Import,
        "Export" => Export,
        "ListCollections"
        | "DescribeCollection"
        | "List"
        | "CollectionExists"
        | "ListCollectionAliases"
        | "ListAliases"
        | "ListIndexes"
        | "CollectionClusterInfo"
        | "ListShardKeys" => Describe,
        "Begin" | "Commit" | "Rollback" | "Savepoint" | "RollbackTo" => Transaction,
        "Snapshot" | "Release" => Snapshot,
        "BeginOperation" | "GetOperation" | "ListOperations" | "CancelOperation" | "Train" => {
            Background
        }
        "ListTenants" | "CreateTenant" | "DropTenant" | "GetQuota" | "SetQuota" => Tenant,
        "Health" | "HealthCheck" | "Check" | "Watch" => Health,
        _ if service.ends_with("Collections") || service.ends_with("VectorDatabase") => Manage,
        _ if service.ends_with("Administration") => Manage,
        _ if service.ends_with("Points") => Manage,
        _ if service.ends_with("Snapshots") => Snapshot,
        _ => Other,
    }
}

impl Outcome {
    /// What the head of an answer says.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Outcome {
        match headers.get("grpc-status") {
            Some(code) => Outcome::of_code(Code::from_bytes(code.as_bytes())),
            None => Outcome::of_status(status),
        }
    }

    fn of_status(status: StatusCode) -> Outcome {
        match status.as_u16() {
            ..400 => Outcome::Ok,
            401 => Outcome::Unauthenticated,
            403 => Outcome::Forbidden,
            404 | 405 => Outcome::NotFound,
            408 | 504 => Outcome::Deadline,
            409 => Outcome::Conflict,
            413 => Outcome::TooLarge,
            429 => Outcome::Overloaded,
            400..=499 => Outcome::Invalid,
            501 => Outcome::Unsupported,
            503 => Outcome::Unavailable,
            _ => Outcome::Internal,
        }
    }

    fn of_code(code: Code) -> Outcome {
        match code {
            Code::Ok => Outcome::Ok,
            Code::InvalidArgument | Code::OutOfRange => Outcome::Invalid,
            Code::Unauthenticated => Outcome::Unauthenticated,
            Code::PermissionDenied | Code::FailedPrecondition => Outcome::Forbidden,
            Code::NotFound => Outcome::NotFound,
            Code::AlreadyExists | Code::Aborted => Outcome::Conflict,
            Code::ResourceExhausted => Outcome::Overloaded,
            Code::DeadlineExceeded | Code::Cancelled => Outcome::Deadline,
            Code::Unavailable => Outcome::Unavailable,
            Code::Unimplemented => Outcome::Unsupported,
            Code::Unknown | Code::Internal | Code::DataLoss => Outcome::Internal,
        }
    }

    /// As figures of times have it: `ok`, or `failed`.
    pub(crate) fn is_ok(self) -> bool {
        self == Outcome::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn each_call_is_about_something() {
        let files = FileDescriptorSet::decode(aethervec_proto::DESCRIPTORS).unwrap();
        let services = files.file.iter().flat_map(|file| &file.service);
        let mut calls = 0;
        for service in services {
            for method in &service.method {
                let path = format!("/aethervec.v1.{}/{}", service.name(), method.name());
                let operation = Operation::of(Protocol::Grpc, &Method::POST, &path);
                assert_ne!(operation, Operation::Other, "{path}");
                calls += 1;
            }
        }
        assert!(calls > 20, "{calls}");
    }

    #[test]
    fn protocols_speak_of_the_same_operations() {
        let rest = |method, route| Operation::of(Protocol::Rest, &method, route);
        let qdrant = |method, route| Operation::of(Protocol::QdrantRest, &method, route);
        let grpc = |path| Operation::of(Protocol::QdrantGrpc, &Method::POST, path);
        for (operation, others) in [
            (
                Operation::Query,
                [
                    rest(Method::POST, "/v1/collections/{collection}/query"),
                    rest(
                        Method::POST,
                        "/v1/tenants/{tenant}/collections/{collection}/query",
                    ),
                    qdrant(Method::POST, "/collections/{name}/points/query"),
                    grpc("/qdrant.Points/Query"),
                ],
            ),
            (
                Operation::Upsert,
                [
                    rest(Method::POST, "/v1/collections/{collection}/documents"),
                    rest(Method::POST, "/vectors"),
                    qdrant(Method::PUT, "/collections/{name}/points"),
                    grpc("/qdrant.Points/Upsert"),
                ],
            ),
            (
                Operation::Describe,
                [
                    rest(Method::GET, "/v1/collections/{collection}"),
                    rest(Method::GET, "/v1/collections"),
                    qdrant(Method::GET, "/collections/{name}"),
                    grpc("/qdrant.Collections/Get"),
                ],
            ),
        ] {
            assert_eq!(others, [operation; 4]);
        }
        let unknown = rest(Method::GET, "/anything/a/client/likes");
        assert_eq!(unknown, Operation::Other);
    }
}
