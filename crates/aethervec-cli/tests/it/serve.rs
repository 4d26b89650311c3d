//! `serve`, `config` and `health`.

use crate::tool::Tool;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

#[test]
fn the_configuration_is_printed_and_explained() {
    let tool = Tool::new();
    let file = tool.file("config.yaml", "http_port: 81\n");
    let printed = tool.run(&[
        "config",
        "print",
        "--config",
        &file,
        "--set",
        "grpc_port=82",
    ]);
    assert!(
        printed.stdout.contains("http_port: 81\ngrpc_port: 82\n"),
        "{}",
        printed.stdout
    );
    let explained = tool.run(&["config", "print", "--explain", "--config", &file]);
    assert!(
        explained.stdout.contains(&format!("# From: {file}.")),
        "{}",
        explained.stdout
    );
    let file = tool.file("wrong.yaml", "http_prot: 81\n");
    let error = tool.fails(2, &["config", "print", "--config", &file]);
    assert!(
        error.contains("wrong.yaml: there is no setting \"http_prot\""),
        "{error}"
    );
}

#[test]
fn a_server_says_where_it_listens_and_ends_when_it_is_told_to() {
    let tool = Tool::new();
    let service_manager = UnixDatagram::bind(tool.path("notify")).unwrap();
    let told = || {
        let mut message = [0; 64];
        let length = service_manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let arguments = [
        "serve",
        "--json",
        "--data-dir",
        "served",
        "--http-port",
        "0",
        "--grpc-port",
        "0",
        "--set",
        "qdrant_http_port=null",
        "--set",
        "qdrant_grpc_port=null",
        "--set",
        "metrics_port=null",
    ];
    let mut server = tool
        .command(&arguments)
        .env("NOTIFY_SOCKET", tool.path("notify"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(told(), "READY=1");
    let addresses: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address: SocketAddr = addresses["http"].as_str().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let port = address.port().to_string();
    let health = ["health", "--http-port", &port];
    assert_eq!(tool.run(&health).stdout, "ready\n");

    let url = format!("http://{}", addresses["grpc"].as_str().unwrap());
    let put = client(
        &url,
        &[
            "put",
            "--id",
            "a",
            "--vector",
            "1,0",
            "--metadata",
            r#"{"n": 7}"#,
        ],
    );
    assert_eq!(tool.run(&put).stdout, "1 vector written\n");
    let search = client(&url, &["search", "--vector", "[0.9, 0.1]", "--k", "1"]);
    let found = tool.json(&search);
    assert_eq!(found[0]["hits"][0]["id"], "a");
    assert_eq!(found[0]["hits"][0]["payload"]["n"], 7);
    let thin = std::process::Command::new(env!("CARGO_BIN_EXE_client"))
        .args(&search[1..])
        .output()
        .unwrap();
    let shown = String::from_utf8(thin.stdout).unwrap();
    assert!(shown.contains("1 of 1 document in"), "{shown}");
    let error = tool.fails(2, &client(&url, &["search", "--vector", "1,x"]));
    assert!(error.contains("--vector"), "{error}");

    let pid = server.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(server.wait().unwrap().success());
    assert_eq!(told(), "STOPPING=1");
    let error = tool.fails(1, &health);
    assert!(error.contains("does not answer"), "{error}");
    let error = tool.fails(1, &client(&url, &["health"]));
    assert!(error.contains("refused"), "{error}");
}

/// A command of the client of the server at `url`.
fn client<'a>(url: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["client", "--url", url][..], rest].concat()
}
