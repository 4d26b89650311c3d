//! The description of the API, generated from the handlers, and a page to read it.

use crate::app::App;
use crate::rest::{ask, collections, documents, figures, operations, quotas, short, state, whole};
use crate::wire::language::{self, LANGUAGE};
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// Everything that the native REST API answers.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "AetherVec",
        description = "A transactional vector database. Each path under /v1 is also there under /v1/tenants/{tenant}; the header aethervec-tenant names a tenant, too."
    ),
    paths(
        short::insert,
        short::query,
        figures::live,
        figures::health,
        figures::metrics,
        figures::full_health,
        figures::stats,
        figures::slow_queries,
        state::list_tenants,
        state::create_tenant,
        state::drop_tenant,
        quotas::get,
        quotas::set,
        collections::list,
        collections::create,
        collections::describe,
        collections::change,
        collections::drop_collection,
        collections::list_aliases,
        collections::change_aliases,
        collections::add_field,
        collections::drop_field,
        collections::list_indexes,
        collections::create_index,
        collections::drop_index,
        documents::upsert,
        documents::write,
        documents::patch_by,
        documents::delete,
        documents::get_batch,
        documents::get,
        documents::patch,
        documents::delete_one,
        documents::scroll,
        documents::count,
        ask::search,
        ask::search_batch,
        ask::explain,
        ask::query,
        ask::query_batch,
        ask::query_groups,
        ask::facet,
        ask::matrix,
        whole::import,
        whole::export,
        operations::begin,
        operations::list,
        operations::get,
        operations::cancel,
        state::begin,
        state::commit,
        state::roll_back,
        state::savepoint,
        state::roll_back_to,
        state::hold,
        state::release,
    )
)]
struct Description;

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let mut description = <Description as utoipa::OpenApi>::openapi();
    for (path, item) in &mut description.paths.paths {
        item.parameters = Some(parts(path)).filter(|parts| !parts.is_empty());
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), RefOr::T(failure()));
        }
    }
    let mut description = serde_json::to_value(&description).expect("it is made of texts");
    // Needed only where the configuration knows callers.
    description["components"]["securitySchemes"] = json!({
        "api_key": {"type": "apiKey", "in": "header", "name": "api-key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    });
    description["security"] = json!([{"api_key": []}, {"bearer": []}, {}]);
    for (name, schema) in &*LANGUAGE {
        description["components"]["schemas"][name] = schema.clone();
    }
    description
});

/// What stands in braces in a path.
fn parts(path: &str) -> Vec<RefOr<Parameter>> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    let parameter = |name| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(String::schema()))
            .build()
    };
    names.map(|name| RefOr::T(parameter(name))).collect()
}

/// What is answered when something is wrong.
fn failure() -> Response {
    let body = RefOr::Ref(Ref::from_schema_name(language::ErrorBody::name()));
    ResponseBuilder::new()
        .description("Why the request was not answered.")
        .content("application/json", Content::new(Some(body)))
        .build()
}

/// Its routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/openapi.json", get(async || Json(&*DESCRIPTION)))
        .route("/docs", get(async || Html(include_str!("viewer.html"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::operation::{Operation, Protocol};
    use axum::http::Method;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn figures_know_what_each_route_is_about() {
        let paths = DESCRIPTION["paths"].as_object().unwrap();
        for (path, item) in paths {
            for method in item.as_object().unwrap().keys() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                let operation = Operation::of(Protocol::Rest, &method, path);
                assert_ne!(operation, Operation::Other, "{method} {path}");
            }
        }
    }
    /// A name that two types share describes one of them only: `/query` had once the description of another query.
    #[test]
    fn each_schema_has_a_name_of_its_own() {
        let mut names: Vec<String> = LANGUAGE.keys().cloned().collect();
        let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    names.extend(described(&fs::read_to_string(path).unwrap()));
                }
            }
        }
        assert!(names.len() > 60, "{names:?}");
        names.sort_unstable();
        let shared: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(shared.is_empty(), "{shared:?}");
    }

    /// What the types of a source are called that derive a schema.
    fn described(source: &str) -> Vec<String> {
        let derives = source.split("ToSchema)]").skip(1);
        let name = |rest: &str| {
            let words = rest.split(|c: char| !c.is_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(32).collect();
            let kind = words
                .iter()
                .position(|word| matches!(*word, "struct" | "enum"))?;
            let own = words[..kind]
                .windows(2)
                .position(|pair| pair == ["schema", "as"]);
            Some(words[own.map_or(kind + 1, |at| at + 2)].to_owned())
        };
        derives.filter_map(name).collect()
    }
}
