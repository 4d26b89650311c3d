//! Tokens, and files of callers that change.

use crate::callers::{Guarded, entry, known};
use crate::common::{Running, answer, config, unnamed};
use aethervec_server::auth::{Action, Key};
use aethervec_server::config::JwtAlgorithm;
use aethervec_server::{Config, Server};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// Far in the future.
const LATER_S: u64 = 4_000_000_000;

fn signed(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256","kid":"a"}"#);
    let message = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(signature.as_ref()))
}

fn claims(tenant: &str, actions: &[&str]) -> Value {
    json!({
        "iss": "https://issuer", "aud": "aethervec", "sub": "alice", "exp": LATER_S,
        "tenant": tenant, "actions": actions,
    })
}

/// A configuration that knows tokens.
fn with_tokens(folder: &tempfile::TempDir, config: Config) -> Config {
    let keys = folder.path().join("keys.json");
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let set = json!({"keys": [{"kty": "oct", "kid": "a", "alg": "HS256", "k": secret}]});
    std::fs::write(&keys, set.to_string()).unwrap();
    Config {
        jwt_keys: Some(keys),
        jwt_algorithm: Some(JwtAlgorithm::Hs256),
        jwt_issuer: Some("https://issuer".to_owned()),
        jwt_audience: Some("aethervec".to_owned()),
        ..config
    }
}

#[tokio::test]
async fn a_token_is_as_good_as_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = known(&folder, vec![entry("admin", &Action::ALL)]);
    let config = with_tokens(&folder, config);
    let server = Running::start_in(folder, config).await;
    let made = server.http.put(server.url("/v1/tenants/acme"));
    let made = made.header("api-key", keys["admin"].reveal());
    assert_eq!(answer(made).await.0, 201);
    let reader = signed(&claims("acme", &["read"]));
    let mut late = claims("acme", &["read"]);
    late["exp"] = json!(1);
    for (token, path, status) in [
        (&reader, "/v1/collections", 200),
        (&reader, "/v1/tenants/acme/collections", 200),
        (&reader, "/v1/tenants/default/collections", 403),
        (&reader, "/v1/tenants", 403),
        (&signed(&claims("*", &["administer"])), "/v1/tenants", 200),
        (
            &signed(&claims("*", &["administer"])),
            "/v1/collections",
            403,
        ),
        (&signed(&late), "/v1/collections", 401),
        (
            &reader[..reader.len() - 3].to_owned(),
            "/v1/collections",
            401,
        ),
    ] {
        let url = server.url(path);
        let bearer = answer(server.http.get(&url).bearer_auth(token)).await;
        assert_eq!(bearer.0, status, "{path}: {}", bearer.1);
        // As Qdrant's clients send it.
        let header = answer(server.http.get(&url).header("api-key", token)).await;
        assert_eq!(unnamed(header), unnamed(bearer));
    }
    let writing = server.http.put(server.url("/v1/collections/a"));
    let writing = writing.bearer_auth(&reader).json(&json!({"dim": 1}));
    assert_eq!(answer(writing).await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn half_of_the_rules_for_tokens_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = with_tokens(&folder, config(&folder));
    for config in [
        Config {
            jwt_audience: None,
            ..whole.clone()
        },
        Config {
            jwt_algorithm: Some(JwtAlgorithm::Rs256),
            ..whole.clone()
        },
        Config {
            jwt_keys: Some("/nowhere".into()),
            ..whole.clone()
        },
    ] {
        let error = Server::bind(config).await.unwrap_err();
        assert!(error.message.contains("jwt_"), "{error}");
        let secret = URL_SAFE_NO_PAD.encode(SECRET);
        assert!(!error.message.contains(&secret), "{error}");
    }
}

#[tokio::test]
async fn callers_come_and_go_without_a_restart() {
    let change = |config| Config {
        reload_ms: 10,
        ..config
    };
    let guarded = Guarded::start_with(vec![entry("old", &Action::ALL)], change).await;
    let file = guarded.server.folder().path().join("callers.jsonl");
    let url = guarded.server.url("/v1/collections");
    let status = async |key: &str| {
        let request = guarded.server.http.get(&url).header("api-key", key);
        answer(request).await.0
    };
    let old = guarded.key("old");
    assert_eq!(status(old).await, 200);
    // A wrong file changes nothing.
    std::fs::write(&file, "{").unwrap();
    assert_eq!(status(old).await, 200);
    let key = Key::generate().unwrap();
    let mut line = entry("new", &[Action::Read]);
    line.key = Some(key.hash().to_string());
    std::fs::write(&file, line.to_line()).unwrap();
    while status(key.reveal()).await != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(old).await, 401);
    guarded.server.stop().await;
}
