//! A server that knows its callers.

use crate::common::{Running, answer, config};
use aethervec_server::Config;
use aethervec_server::auth::{Action, Entry, Key};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Somebody who may call: what the file of callers says of them, without their key.
pub(crate) fn entry(name: &str, actions: &[Action]) -> Entry {
    Entry {
        name: name.to_owned(),
        key: None,
        certificate: None,
        actions: actions.iter().copied().collect(),
        tenant: None,
        collections: None,
        expires: None,
    }
}

/// The same for one tenant.
pub(crate) fn of_tenant(tenant: &str, entry: Entry) -> Entry {
    Entry {
        tenant: Some(tenant.to_owned()),
        ..entry
    }
}

/// A server, and the keys of its callers by name.
pub(crate) struct Guarded {
    pub(crate) server: Running,
    pub(crate) keys: BTreeMap<String, Key>,
}

impl Guarded {
    /// A server with these callers, configured by `change`.
    pub(crate) async fn start_with(
        entries: Vec<Entry>,
        change: impl FnOnce(Config) -> Config,
    ) -> Guarded {
        let folder = tempfile::tempdir().unwrap();
        let (config, keys) = known(&folder, entries);
        Guarded {
            server: Running::start_in(folder, change(config)).await,
            keys,
        }
    }

    /// A server with the callers that most tests need: `admin`, who may do everything; `reader`, `writer` and `owner` of the
    /// tenant `acme`, who may read, write, and all of it; `notes`, who may do everything to the collection `notes` of `acme`;
    /// `rival`, who may do everything in the tenant `rival`; `monitor`, who may see what the server counts. Both tenants have a
    /// collection `notes` and one called `secret`, each with a document.
    pub(crate) async fn start() -> Guarded {
        let all = &Action::OF_A_TENANT;
        let entries = vec![
            entry("admin", &Action::ALL),
            of_tenant("acme", entry("reader", &[Action::Read])),
            of_tenant("acme", entry("writer", &[Action::Write])),
            of_tenant("acme", entry("owner", all)),
            Entry {
                collections: Some(["notes".to_owned()].into()),
                ..of_tenant("acme", entry("notes", all))
            },
            of_tenant("rival", entry("rival", all)),
            entry("monitor", &[Action::Observe]),
            Entry {
                expires: Some("2001-01-01".to_owned()),
                ..entry("former", &Action::ALL)
            },
        ];
        let guarded = Guarded::start_with(entries, |config| config).await;
        for tenant in ["acme", "rival"] {
            let at = format!("/v1/tenants/{tenant}");
            let made = guarded.call("admin", "PUT", &at, Value::Null).await;
            assert_eq!(made.0, 201, "{made:?}");
            for collection in ["notes", "secret"] {
                let at = format!("{at}/collections/{collection}");
                let schema = json!({"dim": 2, "metric": "l2"});
                assert_eq!(guarded.call("admin", "PUT", &at, schema).await.0, 201);
                let document = json!({"id": 1, "vector": [1.0, 0.0], "payload": {"of": tenant}});
                let documents = json!({"documents": [document]});
                let at = format!("{at}/documents");
                assert_eq!(guarded.call("admin", "POST", &at, documents).await.0, 200);
            }
        }
        guarded
    }

    /// The key of a caller.
    pub(crate) fn key(&self, name: &str) -> &str {
        self.keys[name].reveal()
    }

    /// Calls the native REST API: status and body. `Null` is no body.
    pub(crate) async fn call(
        &self,
        name: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let url = self.server.url(path);
        answer(
            self.request(method, &url, body)
                .header("api-key", self.key(name)),
        )
        .await
    }

    /// The same without a key.
    pub(crate) async fn call_unknown(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = self.server.url(path);
        answer(self.request(method, &url, body)).await
    }

    /// A request without a key.
    pub(crate) fn request(&self, method: &str, url: &str, body: Value) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.server.http.request(method, url);
        match body {
            Value::Null => request,
            body => request.json(&body),
        }
    }
}

/// A configuration that knows these callers, each with a fresh key unless they have a certificate.
pub(crate) fn known(folder: &TempDir, entries: Vec<Entry>) -> (Config, BTreeMap<String, Key>) {
    let file = folder.path().join("callers.jsonl");
    let mut keys = BTreeMap::new();
    let mut lines = String::new();
    for mut entry in entries {
        if entry.certificate.is_none() {
            let key = Key::generate().unwrap();
            entry.key = Some(key.hash().to_string());
            keys.insert(entry.name.clone(), key);
        }
        lines += &entry.to_line();
        lines.push('\n');
    }
    std::fs::write(&file, lines).unwrap();
    let config = Config {
        auth_callers: Some(file),
        ..config(folder)
    };
    (config, keys)
}
