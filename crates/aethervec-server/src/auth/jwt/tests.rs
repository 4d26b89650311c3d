//! Tokens that hold, and all the ways in which one does not.

use super::*;
use crate::error::ApiErrorKind;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// A key for these tests and nothing else.
const RSA: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCgwFbZT9zN/+vVvzwNzqDp5sow/XTXYAWBuKFcgJHUXr5ZDU++\
    rC4DL6lH1chS9eRMWs1iBRXE8X+6MhO6UiglRMjVH9ahVpwSRLOneU+BGYweurKuRJ/4WuH3PaYOstc8qv4Btci+iqPiJRcwT0KL\
    eG60JJC82Pf8wKDMq2lIPeGcCnkbqOK4UKi+92JJlySlc+NqdxsFap2NynXgzlyTbLsLdIBfhI92ZC/XF9/CDfRuNJHmT7rgWzkW\
    vM/MbUh6iEnEPSL7MJksjcmWfAp4e8f8TzmYXM4FBQaCWhUXu6m08ISHJZ58DgFbeniLFIvSFjDm4LymPkIzLHM93BtbAgMBAAEC\
    ggEAPeeUCn/c0l/Z3CiW4eJOyYSdHJyeoEpUFI6bZVoFzrjlqLmdmhoIZiW2lPlY+cnDrzvQmAzJQ1yVCYk7W6dD2oZQqPJn3x3R\
    YJ+gZ8Apw9eoxDS1lrLKwAOPvXy6NDLe/HgE9Xeh5O7TCcWq1mnPgJJSX4EtU+xiI62yvt7L3ouJzk8T68b19l2ghcNwPqcTqVMJ\
    8xD0lvkcnhKQBPAZ/RVFwPm9OdAtX8X+Tx1E8CU/E4gSoH4Kyn13EmbRGjBa+7YZd2ov6ywXJd6Dr35aXxt7xuljRgu/w2AXz03b\
    eQ9OeExcB1l9H/JxRgWB7O/lxOUgj1YOMR+dM1EXvPwbcQKBgQDO4mbA5MxVx+thPT2y7HLeeDAXtcj1jL6CmjCVcBA2IJkROWks\
    Kxwgh0sLpoELHt2lxySOqyelmKjEnt0vCT/EwcSbhb43QAyQOqXoZSywGplHaT8la7Ijuur0h7FtQxY3ylzYIqpVEafDJ6+ApBB/\
    XhRjorQZ7+MjCyWFBl3dtwKBgQDG6ighMK90mgSvPVvmE5vSS011qwjpzvSS+hnn/f+/n2eRAdMxcAROO2dOS0p9l6n0h8nwruLp\
    hBF2el61v8Zs0TL2Y5/QBpE3MwzjLj8LMUuzcy4pkAV4naUF9IPofvJWRPJJvYu8D/w2H5l4DM/iSfvdARRWMtaQY2IrkD/vfQKB\
    gAP30bK3cLfgesJFs25AHL/pnDqIMQ+MoIbOwEnNeXIgU+9Bo6PGO+bf0W+qxOTatbOdSzU1UTBa6jnDNkjVq5RxhvzYptpWbydB\
    CLeZYS8Lg48cFKr6EtOenS0NgTiwRbfSOM+oco3pJceXdkVIYEyhGFEE6OFqeXfNme2gPqKnAoGAMXhM0KxWBo7DeX2uHFNmHm/h\
    7NDDn7p7sw4GYV8XOuX/EN4+Uv5D49z8PUmWVhPhDdKzk2s7Pc49tZSLd3IhfDCvFv4B4e+wL+U/YETBIxx4ckHECkwqQCwcvZVp\
    NOpVhMUS6On+FaB4HlHPjj7JeMLjo7w//YwZNsGwyZrPe9UCgYEAq3/fw8IsW3faPjEVKHf4SS2ABjB+XO4TE98Nv7XYyARhk1FH\
    qFuIIhlu1fL+5llo0amKNo8UXmT0gwtAU/8QUaTzcS8lmAI2cg0YTJorg9aukEsJfHh2IwYf01o7BPTYPrKrvnEzJLcPmuPhehY5\
    Z/wRSpXtMRMg2mdDhjQSqOc=";

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

const NOW_S: u64 = 1_800_000_000;

const NOW: Timestamp = Timestamp(NOW_S * MICROS);

fn rules(algorithm: JwtAlgorithm) -> TokenRules {
    TokenRules {
        keys: "keys.json".into(),
        algorithm,
        issuer: "https://issuer".to_owned(),
        audience: "aethervec".to_owned(),
        leeway_s: 30,
    }
}

fn tokens(algorithm: JwtAlgorithm, keys: &Value) -> ApiResult<Tokens> {
    let set: JwkSet = serde_json::from_value(json!({"keys": keys})).unwrap();
    Tokens::of(&set, &rules(algorithm))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn secret_jwk(kid: &str) -> Value {
    json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": encode(SECRET)})
}

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&STANDARD.decode(RSA).unwrap()).unwrap()
}

fn rsa_jwk() -> Value {
    let parts = PublicKeyComponents::<Vec<u8>>::from(rsa().public());
    json!({"kty": "RSA", "use": "sig", "n": encode(parts.n), "e": encode(parts.e)})
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": "aethervec", "sub": "alice", "exp": NOW_S + 60,
        "tenant": "acme", "actions": ["read", "write"], "collections": ["notes"],
    })
}

/// The same with some of them changed; `null` takes one away.
fn changed(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(signature))
}

fn by_secret(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    move |message| ring::hmac::sign(&key, message).as_ref().to_vec()
}

fn by_rsa(message: &[u8]) -> Vec<u8> {
    let key = rsa();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
        .unwrap();
    signature
}

fn hs256(claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    signed(&header, claims, by_secret(SECRET))
}

#[test]
fn a_token_says_who_and_what() {
    let tokens = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    let caller = tokens.caller(&hs256(&claims()), NOW).unwrap();
    let tenant = TenantName::parse("acme").unwrap();
    assert_eq!(&*caller.name, "token:alice");
    assert_eq!(caller.tenant.as_ref(), Some(&tenant));
    assert!(caller.allow(Action::Write, &tenant, Some("notes")).is_ok());
    assert!(
        caller
            .allow(Action::Write, &tenant, Some("others"))
            .is_err()
    );
    assert!(
        caller
            .allow(Action::Manage, &tenant, Some("notes"))
            .is_err()
    );
    let everywhere = json!({"tenant": "*", "collections": null, "actions": ["administer"]});
    let caller = tokens.caller(&hs256(&changed(&everywhere)), NOW).unwrap();
    assert!(caller.allow(Action::Administer, &tenant, None).is_ok());
}

#[test]
fn every_algorithm_holds_with_its_own_key() {
    let ed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
    let ed_jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(ed.public_key())});
    let all = json!([secret_jwk("a"), rsa_jwk(), ed_jwk]);
    let by_ed = |message: &[u8]| ed.sign(message).as_ref().to_vec();
    let (rs256, eddsa) = (json!({"alg": "RS256"}), json!({"alg": "EdDSA"}));
    let by_algorithm = [
        (JwtAlgorithm::Hs256, hs256(&claims())),
        (JwtAlgorithm::Rs256, signed(&rs256, &claims(), by_rsa)),
        (JwtAlgorithm::EdDsa, signed(&eddsa, &claims(), by_ed)),
    ];
    for (algorithm, _) in &by_algorithm {
        let tokens = tokens(*algorithm, &all).unwrap();
        for (other, token) in &by_algorithm {
            let holds = tokens.caller(token, NOW).is_ok();
            assert_eq!(holds, algorithm == other, "{other:?} by {algorithm:?}");
        }
    }
}

#[test]
fn algorithms_cannot_be_chosen_by_the_token() {
    let by_secret_only = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    for alg in [
        "none", "None", "NONE", "nOnE", "HS384", "RS256", "", "hs256",
    ] {
        for signature in [by_secret(SECRET)(b"x"), Vec::new()] {
            let token = signed(&json!({"alg": alg}), &claims(), |_| signature);
            assert!(by_secret_only.caller(&token, NOW).is_err(), "{alg}");
        }
    }
    let token = hs256(&claims());
    let (message, _) = token.rsplit_once('.').unwrap();
    for token in [
        format!("{message}."),
        message.to_owned(),
        format!("{message}.."),
    ] {
        assert!(by_secret_only.caller(&token, NOW).is_err());
    }
    // The public key of RSA, taken for a secret, in every form in which it is at hand.
    let by_rsa_only = tokens(JwtAlgorithm::Rs256, &json!([rsa_jwk()])).unwrap();
    let parts = PublicKeyComponents::<Vec<u8>>::from(rsa().public());
    let jwk = rsa_jwk().to_string();
    for secret in [rsa().public().as_ref(), &parts.n, jwk.as_bytes(), b""] {
        for alg in ["HS256", "RS256"] {
            let token = signed(&json!({"alg": alg}), &claims(), by_secret(secret));
            assert!(by_rsa_only.caller(&token, NOW).is_err());
        }
    }
    // A key that the token itself brings along.
    for header in [
        json!({"alg": "RS256", "jwk": rsa_jwk()}),
        json!({"alg": "RS256", "jku": "https://evil/keys"}),
        json!({"alg": "RS256", "x5c": ["x"]}),
    ] {
        let token = signed(&header, &claims(), by_secret(SECRET));
        assert!(by_rsa_only.caller(&token, NOW).is_err());
    }
}

#[test]
fn a_kid_chooses_among_known_keys_only() {
    let keys = json!([secret_jwk("a"), rsa_jwk()]);
    let tokens = tokens(JwtAlgorithm::Hs256, &keys).unwrap();
    let with = |kid: &str, secret: &[u8]| {
        let header = json!({"alg": "HS256", "kid": kid});
        signed(&header, &claims(), by_secret(secret))
    };
    assert!(tokens.caller(&with("a", SECRET), NOW).is_ok());
    for kid in [
        "b",
        "",
        "../../dev/null",
        "a\0",
        "a' OR 1=1",
        "file:///etc/passwd",
    ] {
        for secret in [SECRET, b""] {
            let known = tokens.caller(&with(kid, secret), NOW);
            assert_eq!(known.map(drop), Err(Flaw::Wrong), "{kid:?}");
        }
    }
}

#[test]
fn claims_have_to_be_there_and_right() {
    let tokens = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    for changes in [
        json!({"iss": "https://other"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": ["other"]}),
        json!({"aud": null}),
        json!({"sub": null}),
        json!({"exp": null}),
        json!({"exp": (NOW_S + 60).to_string()}),
        json!({"nbf": "0"}),
        json!({"nbf": {}}),
        json!({"tenant": null}),
        json!({"tenant": "../acme"}),
        json!({"tenant": ["acme"]}),
        json!({"actions": null}),
        json!({"actions": []}),
        json!({"actions": ["root"]}),
        json!({"actions": ["administer"]}),
        json!({"collections": "notes"}),
    ] {
        let token = hs256(&changed(&changes));
        let known = tokens.caller(&token, NOW);
        assert_eq!(known.map(drop), Err(Flaw::Wrong), "{changes}");
    }
    let several = changed(&json!({"aud": ["other", "aethervec"]}));
    assert!(tokens.caller(&hs256(&several), NOW).is_ok());
}

#[test]
fn a_token_has_its_time() {
    let tokens = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    for (changes, expected) in [
        (json!({"exp": NOW_S - 29}), Ok(())),
        (json!({"exp": NOW_S - 30}), Err(Flaw::Expired)),
        (json!({"exp": 0}), Err(Flaw::Expired)),
        (json!({"nbf": NOW_S + 30}), Ok(())),
        (json!({"nbf": NOW_S + 31}), Err(Flaw::TooEarly)),
        (json!({"nbf": 0.5}), Ok(())),
    ] {
        let token = hs256(&changed(&changes));
        let known = tokens.caller(&token, NOW);
        assert_eq!(known.map(drop), expected, "{changes}");
    }
}

#[test]
fn what_is_no_token_is_none() {
    let tokens = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    let token = hs256(&claims());
    for place in [3, token.len() / 2, token.len() - 2] {
        let mut bent = token.clone().into_bytes();
        bent[place] = if bent[place] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        assert!(tokens.caller(&bent, NOW).is_err());
    }
    for text in ["", ".", "..", "...", "a.b.c", "🙂.🙂.🙂", &token[..20]] {
        let known = tokens.caller(text, NOW);
        assert_eq!(known.map(drop), Err(Flaw::Wrong), "{text:?}");
    }
}

#[test]
fn keys_that_are_of_no_use_are_refused() {
    let secret = encode(SECRET);
    let short = encode(b"a short one");
    for keys in [
        json!([]),
        json!([rsa_jwk()]),
        json!([{"kty": "oct", "k": short}]),
        json!([{"kty": "oct", "use": "enc", "k": secret}]),
        json!([{"kty": "oct", "alg": "HS512", "k": secret}]),
    ] {
        let refused = tokens(JwtAlgorithm::Hs256, &keys).unwrap_err();
        assert_eq!(refused.kind, ApiErrorKind::Invalid);
        for part in [&secret, &short] {
            assert!(!refused.message.contains(part.as_str()), "{refused}");
        }
    }
    let tokens = tokens(JwtAlgorithm::Hs256, &json!([secret_jwk("a")])).unwrap();
    assert_eq!(format!("{tokens:?}"), "Tokens { keys: [Some(\"a\")] }");
}
