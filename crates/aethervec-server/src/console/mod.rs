//! The console: a page for people at `/console`.
//!
//! Its files are in the binary and hold no data; what it shows, it asks of the API, with the rights of whoever looks at it.
//! Browsers run nothing but these files ([`POLICY`]) and look each time whether they are still the same (`etag`).

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// What browsers may do on this page: load and ask this server, and make markup from no text at all.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What is common to all answers.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // It may be kept, and is asked for each time: after an upgrade nobody has half of the old page.
    (CACHE_CONTROL, "no-cache"),
];

/// A file of the page.
struct File {
    name: &'static str,
    content: &'static str,
}

macro_rules! files {
    ($($name:literal)+) => {
        &[$(File { name: $name, content: include_str!(concat!("page/", $name)) },)+]
    };
}

/// All files, by their paths under `/console/`.
const FILES: &[File] = files! {
    "index.html"
    "icon.svg"
    "base.css"
    "parts.css"
    "views.css"
    "app.js"
    "lib/colours.js"
    "lib/embed.js"
    "lib/faults.js"
    "lib/fields.js"
    "lib/figures.js"
    "lib/format.js"
    "lib/json.js"
    "lib/pca.js"
    "lib/prometheus.js"
    "lib/recall.js"
    "lib/templates.js"
    "lib/vector.js"
    "parts/api.js"
    "parts/chart.js"
    "parts/curl.js"
    "parts/database.js"
    "parts/document.js"
    "parts/dom.js"
    "parts/filter.js"
    "parts/gestures.js"
    "parts/health.js"
    "parts/hits.js"
    "parts/key.js"
    "parts/notices.js"
    "parts/plan.js"
    "parts/route.js"
    "parts/scatter.js"
    "parts/slow.js"
    "parts/theme.js"
    "parts/values.js"
    "views/collection.js"
    "views/collections.js"
    "views/documents.js"
    "views/live.js"
    "views/map.js"
    "views/query.js"
    "views/tree.js"
};

/// Its routes.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            "/console",
            get(async |headers: HeaderMap| serve("index.html", &headers)),
        )
        // Paths in the page are relative to `/console`.
        .route("/console/", get(async || Redirect::permanent("../console")))
        .route(
            "/console/{*name}",
            get(async |Path(name): Path<String>, headers: HeaderMap| serve(&name, &headers)),
        )
}

/// The file called `name`, or that the one that the browser has is still right.
fn serve(name: &str, asked: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = file.tag();
    let known = asked.get_all(IF_NONE_MATCH).into_iter();
    let known = known.filter_map(|value| value.to_str().ok());
    let is_known = known
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(CONTENT_TYPE, file.kind())], file.content).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

impl File {
    /// What it is.
    fn kind(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }

    /// A text that is another one as soon as the content is.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path as FsPath;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = FsPath::new(env!("CARGO_MANIFEST_DIR")).join("src/console/page");
        let mut there = Vec::new();
        for sub in ["", "lib/", "parts/", "views/"] {
            for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    there.push(format!("{sub}{}", entry.file_name().into_string().unwrap()));
                }
            }
        }
        let mut served: Vec<_> = FILES.iter().map(|file| file.name).collect();
        there.sort();
        served.sort_unstable();
        assert_eq!(served, there);
    }

    #[test]
    fn what_pages_ask_of_browsers_is_in_no_file() {
        // The policy would stop these; here it is told where they are.
        for file in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=\"",
                "onclick=\"",
                "http://",
                "https://",
            ] {
                let namespace = file.content.replace("http://www.w3.org/2000/svg", "");
                assert!(!namespace.contains(forbidden), "{}: {forbidden}", file.name);
            }
        }
    }
}
